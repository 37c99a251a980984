//! A request forwarded to t3 and its response brought back, each without the fields of the other's hop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, SizeHint};
use parking_lot::Mutex;

use crate::http_rules::{header_map, validation};
use crate::process::client_memory::LONG_BYTES;
use crate::upstream::Upstream;
use crate::upstream::connection::Inform;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;
use crate::upstream::upgrade::Upgrade;

/// Sends `request`, from which the client's hop was removed, and returns t3's response without t3's
/// hop. Its head must come within `limit` in which nothing of the request moves. One that `is_repeated`
/// was sent before, and is sent this once.
pub async fn forward(
    upstream: &Upstream,
    request: Request<Outbound>,
    limit: Duration,
    interim: &Arc<Interim>,
    is_repeated: bool,
) -> Result<Response<Inbound>, Failure> {
    let is_refused = |body: SizeHint| is_long(&body) && upstream.memory.is_short();
    if is_refused(request.body().size_hint()) {
        return Err(Failure::OverMemory);
    }
    // An HTTP/1.0 client knows no interim responses (RFC 9110 §15.2).
    let inform = (request.version() == Version::HTTP_11).then(|| inform(interim));
    let accepts_trailers = header_map::accepts_trailers(request.headers());
    let request = to_upstream(request);
    let response = upstream.send(request, limit, inform, is_repeated).await?;
    if !response.body().is_end_stream() && is_refused(response.body().size_hint()) {
        return Err(Failure::OverMemory);
    }
    Ok(to_client(response, accepts_trailers))
}

fn is_long(body: &SizeHint) -> bool {
    body.upper().is_none_or(|length| length > LONG_BYTES)
}

/// Sends an upgrade, from which the client's hop was removed; with a 101 comes t3's side of the
/// tunnel.
pub async fn upgrade(
    upstream: &Upstream,
    request: Request<Outbound>,
    limit: Duration,
) -> Result<Upgrade, Failure> {
    let mut request = to_upstream(request);
    validation::mark_websocket(request.headers_mut());
    Ok(match upstream.upgrade(request, limit).await? {
        Upgrade::Refused(response) => Upgrade::Refused(to_client(response, false)),
        Upgrade::Switched(response, stream, early) => {
            let mut response = to_client(response, false);
            validation::mark_websocket(response.headers_mut());
            Upgrade::Switched(response, stream, early)
        }
    })
}

/// The request for the next hop: the dispatcher's own version, and a target in origin-form (RFC 9112
/// §3.2.1) whose bytes are the client's.
fn to_upstream(mut request: Request<Outbound>) -> Request<Outbound> {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        *request.uri_mut() = origin_form(request.uri());
    }
    request
}

/// Path and query only; an empty path is `/`.
fn origin_form(target: &Uri) -> Uri {
    let path = match target.path() {
        "" => "/",
        path => path,
    };
    let target = match target.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    Uri::from(target.unwrap_or_else(|_| PathAndQuery::from_static("/")))
}

fn to_client<B>(mut response: Response<B>, accepts_trailers: bool) -> Response<B> {
    *response.version_mut() = Version::HTTP_11;
    header_map::strip_response(response.headers_mut(), accepts_trailers);
    response
}

fn inform(interim: &Arc<Interim>) -> Inform {
    let interim = Arc::clone(interim);
    Arc::new(move |status, headers| {
        let mut headers = headers.clone();
        header_map::strip_response(&mut headers, false);
        interim.push(status, &headers);
    })
}

/// Interim responses (1xx, RFC 9110 §15.2) on their way to one client. hyper's server has no call for
/// them, so they are written beside it, between two of its messages.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

impl Interim {
    /// Queues the head of an interim response.
    pub fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let mut head = Vec::with_capacity(128);
        header_map::write_head(status, headers, &mut head);
        head.extend_from_slice(b"\r\n");
        self.bytes.lock().extend_from_slice(&head);
        self.waiting.store(true, Ordering::Release);
    }

    /// The queued heads; empty where there are none.
    pub fn take(&self) -> Vec<u8> {
        if self.waiting.swap(false, Ordering::Acquire) {
            std::mem::take(&mut *self.bytes.lock())
        } else {
            Vec::new()
        }
    }
}
