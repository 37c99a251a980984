//! The listener for Prometheus and operators: `GET /metrics`, `GET /dispatcher/activity`, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::limited;
use crate::metrics::TEXT_FORMAT;
use crate::server::activity;
use crate::state::Services;

/// Scrapes at a time; more wait in the backlog.
const MAX_SCRAPES: usize = 8;

/// Bytes of a scrape's head.
const HEAD_LIMIT: usize = 16 * 1024;

/// How long to wait before accepting again when the system has no descriptor for it.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves scrapes until the drain, from memory only: for them t3 is never asked, as it is for the activity.
/// `shows_people` names those whom t3s belong to.
pub async fn serve(listener: TcpListener, services: Arc<Services>, shows_people: bool) {
    let limit = services.timing.scrape;
    let permits = Arc::new(Semaphore::new(MAX_SCRAPES));
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                limited!(WARN, "cannot accept a scrape, trying again"; %error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let telling = Arc::clone(&services);
        services.tasks.until_drained(async move {
            // A scrape that takes too long is cut.
            let _ = tokio::time::timeout(limit, speak(stream, &telling, shows_people)).await;
            drop(permit);
        });
    }
}

/// Serves one request per connection: no client holds a permit between two scrapes.
async fn speak(stream: TcpStream, services: &Services, shows_people: bool) {
    // The rest of the time is for the response.
    let deadline = Instant::now() + services.timing.scrape * 4 / 5;
    let service = service_fn(|request: Request<Incoming>| async move {
        let (method, target) = (request.method(), request.uri());
        let told = respond(method, target, services, shows_people, deadline);
        Ok::<_, Infallible>(told.await)
    });
    // A client that leaves early loses its scrape, and nothing else.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    method: &Method,
    target: &Uri,
    services: &Services,
    shows_people: bool,
    deadline: Instant,
) -> Response<Full<Bytes>> {
    let path = target.path();
    if !["/metrics", "/dispatcher/activity"].contains(&path) {
        let here = "only /metrics and /dispatcher/activity are here\n";
        return plain(StatusCode::NOT_FOUND, here);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let (mut response, content_type) = if path == "/metrics" {
        activity::refresh(services, shows_people);
        let Ok(text) = services.metrics.text() else {
            let none = "no text of the metrics\n";
            return plain(StatusCode::INTERNAL_SERVER_ERROR, none);
        };
        (plain(StatusCode::OK, text), TEXT_FORMAT)
    } else {
        let pairs = target.query().unwrap_or_default().split('&');
        let after = pairs.filter_map(|pair| pair.strip_prefix("after=")).next();
        let after = after.unwrap_or_default();
        let told = activity::activity(services, after, shows_people, deadline).await;
        let text = format!("{told:#}\n");
        (plain(StatusCode::OK, text), "application/json")
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
