//! Answers Prometheus on a listener of its own: `GET /metrics`, and nothing else.

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
use tracing::warn;

use crate::metrics::{Metrics, TEXT_FORMAT};
use crate::process::Tasks;

/// How many scrapes there may be at a time; more wait in the backlog.
const MOST_SCRAPES: usize = 8;

/// How many bytes a scrape's head may have.
const HEAD_LIMIT: usize = 16 * 1024;

/// How long to wait before accepting again when the system has no descriptor for it.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Answers for ever, from memory alone: t3 is never asked. A scrape may take `limit`.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, tasks: Tasks, limit: Duration) {
    let places = Arc::new(Semaphore::new(MOST_SCRAPES));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a scrape, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let metrics = Arc::clone(&metrics);
        tasks.until_drained(async move {
            // One that takes too long is cut.
            let _ = tokio::time::timeout(limit, speak(stream, &metrics)).await;
            drop(place);
        });
    }
}

/// One request a connection: nobody holds a place between two scrapes.
async fn speak(stream: TcpStream, metrics: &Metrics) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), metrics);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    // Whoever leaves early misses a scrape, and that is all.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "only /metrics is here\n");
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(ALLOW, allowed);
        return answer;
    }
    let Ok(text) = metrics.text() else {
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no text of the metrics\n",
        );
    };
    let mut answer = plain(StatusCode::OK, text);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    answer
}
