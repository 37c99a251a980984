//! One request sent on to t3 and its response brought back, each free of the other's hop.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};

use crate::http_rules::{header_policy, websocket};
use crate::upstream::client::{Upgrade, Upstream};
use crate::upstream::connection::Inform;
use crate::upstream::error::Failure;
use crate::upstream::interim::Interim;
use crate::upstream::request_body::Outbound;
use crate::upstream::response_body::Inbound;

/// Sends `request`, already free of the client's hop, and returns t3's answer, free of t3's. Its
/// head must come within `limit` in which nothing of the request moves.
pub async fn forward(
    upstream: &Upstream,
    request: Request<Outbound>,
    limit: Duration,
    interim: &Arc<Interim>,
) -> Result<Response<Inbound>, Failure> {
    // An HTTP/1.0 client knows no interim answers (RFC 9110 §15.2).
    let inform = (request.version() == Version::HTTP_11).then(|| inform(interim));
    let answer = upstream.send(onward(request), limit, inform).await?;
    Ok(homeward(answer))
}

/// Sends an upgrade, already free of the client's hop; beside a 101 comes t3's side of the tunnel.
pub async fn upgrade(
    upstream: &Upstream,
    request: Request<Outbound>,
    limit: Duration,
) -> Result<Upgrade, Failure> {
    let mut request = onward(request);
    websocket::mark_websocket(request.headers_mut());
    Ok(match upstream.upgrade(request, limit).await? {
        Upgrade::Refused(answer) => Upgrade::Refused(homeward(answer)),
        Upgrade::Switched(answer, stream, early) => {
            let mut answer = homeward(answer);
            websocket::mark_websocket(answer.headers_mut());
            Upgrade::Switched(answer, stream, early)
        }
    })
}

/// The request as the next hop is to see it: the dispatcher's own version, and a target in
/// origin-form (RFC 9112 §3.2.1) whose bytes are the client's.
fn onward(mut request: Request<Outbound>) -> Request<Outbound> {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        *request.uri_mut() = origin_form(request.uri());
    }
    request
}

/// Path and query alone; an empty path is `/`.
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

fn homeward<B>(mut answer: Response<B>) -> Response<B> {
    *answer.version_mut() = Version::HTTP_11;
    header_policy::strip_response(answer.headers_mut());
    answer
}

fn inform(interim: &Arc<Interim>) -> Inform {
    let interim = Arc::clone(interim);
    Arc::new(move |status, fields| {
        let mut head = Response::new(());
        *head.headers_mut() = fields.clone();
        header_policy::strip_response(head.headers_mut());
        interim.push(status, head.headers());
    })
}
