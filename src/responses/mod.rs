//! The few answers that the dispatcher writes itself.

pub mod body;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode, Uri};

use crate::http_rules::request_id::{RequestId, X_REQUEST_ID};
use crate::responses::body::ResponseBody;
use crate::upstream::health::HealthState;

const BARRED: &str = include_str!("barred.html");

/// Reloads after a second or two, without a script so that no policy can forbid it.
const PAGE: &str = include_str!("waiting.html");

/// An answer to a client.
pub type ClientResponse = Response<ResponseBody>;

/// How a failure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorFormat {
    /// A person, in place of the page.
    Page,
    /// A script.
    Json,
}

/// 200 `ok`: the process serves.
pub fn healthy() -> ClientResponse {
    plain(StatusCode::OK, "text/plain; charset=utf-8", "ok")
}

/// 302 to the page that was asked for, with t3's `Set-Cookie` lines as they came.
pub fn paired(target: &Uri, set_cookies: Vec<HeaderValue>) -> ClientResponse {
    let mut answer = Response::new(ResponseBody::Own(Bytes::new()));
    *answer.status_mut() = StatusCode::FOUND;
    let headers = answer.headers_mut();
    headers.insert(LOCATION, location(target));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for line in set_cookies {
        headers.append(SET_COOKIE, line);
    }
    answer
}

/// 101: another protocol follows, which the caller names.
pub fn switching() -> ClientResponse {
    let mut answer = Response::new(ResponseBody::Own(Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer
}

/// What /readyz tells of t3: 200 only where it is up.
pub fn ready(state: HealthState) -> ClientResponse {
    let status = match state {
        HealthState::Up | HealthState::Doubtful => StatusCode::OK,
        HealthState::Starting | HealthState::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    plain(status, "text/plain; charset=utf-8", state.to_string())
}

/// t3 gave no answer to a request: `status` says how, `address` who.
pub fn no_answer(
    status: StatusCode,
    address: &str,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let what = match status {
        StatusCode::GATEWAY_TIMEOUT => "did not answer in time",
        _ => "did not answer",
    };
    unavailable(status, address, what, error_format, id)
}

/// t3 is not up, and the request was not sent. A script is told when to come again.
pub fn not_up(
    status: StatusCode,
    address: &str,
    state: HealthState,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let what = match state {
        HealthState::Down => "did not answer: nobody listens there",
        _ => "did not answer yet: it is starting",
    };
    let mut answer = unavailable(status, address, what, error_format, id);
    let headers = answer.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// A person gets a page that reloads itself, a script JSON.
fn unavailable(
    status: StatusCode,
    address: &str,
    what: &str,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let mut answer = match error_format {
        ErrorFormat::Page => plain(
            status,
            "text/html; charset=utf-8",
            PAGE.replace("{address}", address)
                .replace("{what}", what)
                .replace("{request_id}", &id.to_string()),
        ),
        ErrorFormat::Json => plain(
            status,
            "application/json",
            serde_json::json!({
                "error": "upstream_unavailable",
                "message": format!("t3 at {address} {what}"),
                "request_id": id.to_string(),
            })
            .to_string(),
        ),
    };
    uncached(&mut answer, id);
    answer
}

/// 403 for somebody who is known and not on the list: who single sign-on says it is.
pub fn barred(user: &str, error_format: ErrorFormat, id: &RequestId) -> ClientResponse {
    let status = StatusCode::FORBIDDEN;
    let mut answer = match error_format {
        ErrorFormat::Page => plain(
            status,
            "text/html; charset=utf-8",
            BARRED
                .replace("{request_id}", &id.to_string())
                .replace("{user}", &escaped(user)),
        ),
        ErrorFormat::Json => plain(
            status,
            "application/json",
            serde_json::json!({
                "error": "forbidden",
                "signed_in_as": user,
                "request_id": id.to_string(),
            })
            .to_string(),
        ),
    };
    uncached(&mut answer, id);
    answer
}

/// A request that is refused as it stands.
pub fn refused(status: StatusCode, why: &'static str, id: &RequestId) -> ClientResponse {
    let mut answer = plain(status, "text/plain; charset=utf-8", why);
    answer.headers_mut().insert(X_REQUEST_ID, id.value());
    answer
}

/// An error is of the moment; by `id` whoever sees it can say which it was.
fn uncached(answer: &mut ClientResponse, id: &RequestId) {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, id.value());
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> ClientResponse {
    let mut answer = Response::new(ResponseBody::Own(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The path and query that were asked for, as a reference that cannot leave this origin: a
/// browser reads a leading `//` or `/\` as the start of a host name (CWE-601).
fn location(target: &Uri) -> HeaderValue {
    let asked = target
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let path = asked.trim_start_matches(['/', '\\']);
    HeaderValue::try_from(format!("/{path}")).unwrap_or(HeaderValue::from_static("/"))
}

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        plain => plain.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_never_leaves_this_origin() {
        for (target, expected) in [
            ("/", "/"),
            ("/t/1?a=b%20c", "/t/1?a=b%20c"),
            ("/?", "/?"),
            ("/?next=//evil", "/?next=//evil"),
            ("//evil/", "/evil/"),
            ("///evil", "/evil"),
            ("/\\evil", "/evil"),
            ("/\\/evil", "/evil"),
            ("/%09/evil", "/%09/evil"),
            ("/%2f/evil", "/%2f/evil"),
            ("http://evil/", "/"),
            ("http://evil//worse", "/worse"),
            ("*", "/*"),
        ] {
            let Ok(uri) = target.parse::<Uri>() else {
                continue;
            };
            assert_eq!(location(&uri), expected, "{target}");
        }
    }
}
