//! What a tab of t3's page gets of the dispatcher: whether its requests still reach t3, the script that asks, and the page at which a sign-in ends.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, page, with_body};
use crate::upstream::health_state::HealthState;

/// Asks, tells its person, and opens the window for the sign-in.
const SCRIPT: &str = include_str!("tab.js");

/// No page but those of the same origin gets to see these responses, not even as a script or an image
/// (Fetch standard, "cross-origin resource policy check").
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The address of the script: of each version another, which a browser may keep.
static ADDRESS: LazyLock<String> = LazyLock::new(|| format!("/dispatcher/tab.js?{}", query()));

/// The tag that loads the script into t3's page.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let address = &*ADDRESS;
    format!("<script type=\"module\" async src=\"{address}\"></script>")
});

/// 64 bits of its SHA-256.
static VERSION: LazyLock<String> = LazyLock::new(|| HEXLOWER.encode(&Sha256::digest(SCRIPT)[..8]));

/// The tag that loads the script into t3's page.
pub fn script_tag() -> &'static str {
    &TAG
}

/// 204 where a request of the tab's would reach t3 now; else 200 with what is to be waited for, as a proxy
/// may put a page of its own in the place of a 5xx.
pub fn alive(state: HealthState, is_leaving: bool) -> ClientResponse {
    let waiting = match state {
        _ if is_leaving => Some("draining"),
        HealthState::Up | HealthState::Busy | HealthState::Doubtful => None,
        HealthState::Unknown | HealthState::Starting => Some("starting"),
        HealthState::Down | HealthState::Asleep | HealthState::Itself => Some("down"),
    };
    let mut response = match waiting {
        Some(state) => {
            let json = serde_json::json!({ "t3": state }).to_string();
            with_body(StatusCode::OK, "application/json", json)
        }
        None => without_body(StatusCode::NO_CONTENT),
    };
    keep_to_this_origin(response.headers_mut(), "no-store");
    response
}

/// Is `tag`, a member of `If-None-Match`, that of the script? A proxy that compresses it weakens it.
pub fn is_script_tag(tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"")
        .and_then(|tag| tag.strip_suffix(b"\""))
        == Some(VERSION.as_bytes())
}

/// The script, or 304 where it `is_held`. A browser keeps it for good where `query` names this version,
/// and else asks each time.
pub fn script(query: Option<&str>, is_held: bool) -> ClientResponse {
    let caching = match query == Some(&*self::query()) {
        true => "private, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut response = match is_held {
        true => without_body(StatusCode::NOT_MODIFIED),
        false => {
            let script = Bytes::from_static(SCRIPT.as_bytes());
            with_body(StatusCode::OK, "text/javascript; charset=utf-8", script)
        }
    };
    let headers = response.headers_mut();
    let tag = HeaderValue::try_from(format!("\"{}\"", *VERSION)).ok();
    headers.extend(tag.map(|tag| (ETAG, tag)));
    keep_to_this_origin(headers, caching);
    response
}

/// The page at which a sign-in in a small window ends.
pub fn signed_in() -> ClientResponse {
    // It closes itself, by the same script.
    let text = format!(
        "<p>T3 Code goes on where it is open. This window can be closed.</p>\n\
         <p><a href=\"/\">Open T3 Code here</a></p>\n\
         <script type=\"module\" src=\"{}\"></script>",
        *ADDRESS
    );
    let page = page("You are signed in", &text);
    let mut response = with_body(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; \
        base-uri 'none'; form-action 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    keep_to_this_origin(headers, "no-store");
    response
}

fn query() -> String {
    format!("v={}", *VERSION)
}

fn without_body(status: StatusCode) -> ClientResponse {
    let mut response = ClientResponse::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

fn keep_to_this_origin(headers: &mut HeaderMap, caching: &'static str) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
