//! The listener for Prometheus: `GET /metrics`, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::limited;
use crate::metrics::{Metrics, TEXT_FORMAT};
use crate::process::Tasks;

/// Scrapes at a time; more wait in the backlog.
const MAX_SCRAPES: usize = 8;

/// Bytes of a scrape's head.
const HEAD_LIMIT: usize = 16 * 1024;

/// How long to wait before accepting again when the system has no descriptor for it.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves scrapes until the drain, from memory only: t3 is never asked. A scrape may take `limit`.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, tasks: Tasks, limit: Duration) {
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
        let metrics = Arc::clone(&metrics);
        tasks.until_drained(async move {
            // A scrape that takes too long is cut.
            let _ = tokio::time::timeout(limit, speak(stream, &metrics)).await;
            drop(permit);
        });
    }
}

/// Serves one request per connection: no client holds a permit between two scrapes.
async fn speak(stream: TcpStream, metrics: &Metrics) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), metrics);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // A client that leaves early loses its scrape, and nothing else.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "only /metrics is here\n");
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let Ok(text) = metrics.text() else {
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no text of the metrics\n",
        );
    };
    let mut response = plain(StatusCode::OK, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
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
