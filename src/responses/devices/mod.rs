//! The responses at the address of a person's devices: the page, refusals, and what every one of them says to browsers.

pub mod page;
mod qr_code;

use std::sync::LazyLock;

use data_encoding::BASE64;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::http_rules::request_id::RequestId;
use crate::responses::body::ResponseBody;
use crate::responses::tab::RESOURCE_POLICY;
use crate::responses::{ClientResponse, escaped, with_body};

/// Where the page is.
pub const PATH: &str = "/dispatcher/devices";

/// The names of a form's fields: the token, what is to be done, and with which session.
pub const TOKEN: &str = "token";
/// What is to be done: [`PAIR`] or [`REVOKE`].
pub const ACTION: &str = "action";
/// The session that is to be revoked.
pub const SESSION: &str = "session";
/// Has a code made.
pub const PAIR: &str = "pair";
/// Revokes a device's session.
pub const REVOKE: &str = "revoke";

const STYLE: &str = include_str!("page.css");

/// Copies the link. All else works without a script.
const SCRIPT: &str = include_str!("copy.js");

/// No script and no style but the page's own, and nobody frames it.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let [style, script] = [STYLE, SCRIPT].map(|text| BASE64.encode(&Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; \
        form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// A refusal for a person, with the reason `why` and a way back.
pub fn refused(status: StatusCode, why: &str, id: &RequestId) -> ClientResponse {
    let body = format!(
        "<p role=\"alert\">{}</p>\n<p><a href=\"{PATH}\">Back to your devices</a></p>\n\
        <p><small>Request <code>{id}</code></small></p>\n",
        escaped(why)
    );
    document(status, "Nothing was changed", &body, None)
}

/// 303 to the page: what was asked for is done.
pub fn done() -> ClientResponse {
    let mut response = ClientResponse::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static(PATH));
    response
}

/// Keeps a response to whoever asked: no cache, no other origin and no frame has it.
///
/// `Referer` goes to the same origin alone, where there is nothing to hide from: were it sent nowhere, browsers would send
/// the page's own forms with `Origin: null`.
pub fn keep_to_this_origin(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(policy) = &*POLICY {
        headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
}

/// A page with a heading, `body` in HTML below it, and `script` behind that.
fn document(status: StatusCode, title: &str, body: &str, script: Option<&str>) -> ClientResponse {
    let script = script.map(|script| format!("<script>{script}</script>\n"));
    let script = script.unwrap_or_default();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"robots\" content=\"noindex\">\n<title>{title} \u{b7} T3 Code</title>\n\
        <style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n{body}</main>\n{script}</html>\n"
    );
    with_body(status, "text/html; charset=utf-8", html)
}
