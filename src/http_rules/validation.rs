//! Request validation: what hyper accepts and this proxy refuses. Pure.

use http::header::{
    CONNECTION, HOST, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use http_body::Body;

use crate::http_rules::grammar::is_host;
use crate::http_rules::header_map::{self, has_token};
use crate::http_rules::websocket_offers::{has_unique_protocols, has_valid_extensions};

/// Why a request is refused. Its connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
    pub status: StatusCode,
    /// The reason, for the response and the log.
    pub why: &'static str,
}

impl Refusal {
    /// A 400 (RFC 9110 §15.5.1).
    pub const fn bad_request(why: &'static str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, why }
    }

    /// A 414 (RFC 9110 §15.5.15).
    pub const fn target_too_long(why: &'static str) -> Self {
        let status = StatusCode::URI_TOO_LONG;
        Self { status, why }
    }

    /// A 431 (RFC 6585 §5).
    pub const fn head_too_large(why: &'static str) -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self { status, why }
    }
}

/// Validates a request, and sets `Host` to the target's authority where it has one (RFC 9112 §3.2.2).
///
/// # Errors
/// The status and the reason by which the request is refused.
pub fn check<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    check_method(request.method(), request.uri())?;
    check_target(request.uri())?;
    check_framing(request.headers())?;
    check_host(request)
}

/// Validates a WebSocket handshake (RFC 6455 §4.2.1): after an invalid one with a session, t3 never
/// exits (contract §7, §10).
///
/// # Errors
/// The status and the reason by which it is refused.
pub fn check_handshake<B: Body>(request: &Request<B>) -> Result<(), Refusal> {
    let bad = |why| Err(refusal(StatusCode::BAD_REQUEST, why));
    if !request.body().is_end_stream() {
        return bad("a WebSocket handshake has no body");
    }
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return bad("a WebSocket handshake is a GET of HTTP/1.1");
    }
    if single(request.headers(), &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let why = "only version 13 of WebSocket is supported";
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, why));
    }
    let key = single(request.headers(), &SEC_WEBSOCKET_KEY);
    if !key.is_some_and(|key| is_handshake_key(key.as_bytes())) {
        return bad("Sec-WebSocket-Key is not 16 bytes in base64");
    }
    if !has_unique_protocols(request.headers()) {
        return bad("Sec-WebSocket-Protocol is not a list of unique tokens");
    }
    if !has_valid_extensions(request.headers()) {
        return bad("Sec-WebSocket-Extensions is not a list of extensions with valid parameters");
    }
    Ok(())
}

/// The methods of a request that is forwarded, as far as they have names (RFC 9110 §9).
pub const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

fn check_method(method: &Method, target: &Uri) -> Result<(), Refusal> {
    let why = "the method is not allowed";
    match *method {
        Method::CONNECT | Method::TRACE => Err(refusal(StatusCode::METHOD_NOT_ALLOWED, why)),
        ref method if target.path() == "*" && method != Method::OPTIONS => {
            Err(refusal(StatusCode::BAD_REQUEST, "`*` is for OPTIONS only"))
        }
        _ => Ok(()),
    }
}

/// Origin-form, or absolute-form with http(s) (RFC 9112 §3.2). Other bytes than ASCII would not arrive
/// at t3 as they were sent.
fn check_target(target: &Uri) -> Result<(), Refusal> {
    let bad = |why| Err(refusal(StatusCode::BAD_REQUEST, why));
    if !matches!(target.scheme_str(), None | Some("http" | "https")) {
        return bad("the target's scheme is not http");
    }
    if target.scheme().is_none() && target.authority().is_some() {
        return bad("the target is not a path");
    }
    let path_and_query = target
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let is_clean = |byte: u8| byte.is_ascii_graphic();
    let starts_well = path_and_query.starts_with(['/', '*'])
        || (target.scheme().is_some() && path_and_query.starts_with('?'));
    if !path_and_query.bytes().all(is_clean) || !starts_well {
        return bad("the target is not a path of printable ASCII");
    }
    Ok(())
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let why = "Transfer-Encoding is not exactly `chunked`";
    match header_map::is_clearly_framed(headers) {
        true => Ok(()),
        false => Err(refusal(StatusCode::BAD_REQUEST, why)),
    }
}

/// One valid `Host` (RFC 9112 §3.2), which gives way to the target's authority.
fn check_host<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let bad = |why| Err(refusal(StatusCode::BAD_REQUEST, why));
    let lines = request.headers().get_all(HOST).iter().count();
    let is_optional = request.version() == Version::HTTP_10;
    if lines > 1 || (lines == 0 && !is_optional) {
        return bad("exactly one Host is required");
    }
    let held = request.headers().get(HOST);
    if held.is_some_and(|host| !is_host(host.as_bytes())) {
        return bad("Host is invalid");
    }
    if let Some(authority) = request.uri().authority() {
        if !is_host(authority.as_str().as_bytes()) {
            return bad("the target's host is invalid");
        }
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.map_err(|_| refusal(StatusCode::BAD_REQUEST, "Host is invalid"))?;
        request.headers_mut().insert(HOST, host);
    } else if lines == 0 {
        // t3 refuses an HTTP/1.1 request without it (contract §6).
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// 16 bytes in base64: 22 characters, the last of which carries two bits, and two of padding.
fn is_handshake_key(key: &[u8]) -> bool {
    let Some(coded) = key.strip_suffix(b"==") else {
        return false;
    };
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    coded.len() == 22 && coded.iter().all(is_base64)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Some(line),
        _ => None,
    }
}

fn refusal(status: StatusCode, why: &'static str) -> Refusal {
    Refusal { status, why }
}

/// Does the request ask for an upgrade to a WebSocket (RFC 6455 §4.1)?
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket")
}

/// Is this the response that turns the connection into a WebSocket (RFC 9110 §15.2.2)?
pub fn switches_to_websocket(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS && has_token(headers, &UPGRADE, "websocket")
}

/// Marks a message for the next hop as asking for, or granting, a WebSocket.
pub fn mark_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_handshake_s_key_is_sixteen_bytes() {
        assert!(is_handshake_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for key in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ===",
            b"dGhlIHNhbXBsZSBub25jZR!==",
            b"short==",
        ] {
            assert!(!is_handshake_key(key), "{key:?}");
        }
    }

    #[test]
    fn both_fields_ask_for_a_websocket() {
        for (fields, expected) in [
            (
                vec![("connection", "Upgrade"), ("upgrade", "websocket")],
                true,
            ),
            (
                vec![
                    ("connection", "keep-alive"),
                    ("connection", "x, upgrade"),
                    ("upgrade", "WebSocket"),
                ],
                true,
            ),
            (vec![("upgrade", "websocket")], false),
            (vec![("connection", "Upgrade"), ("upgrade", "h2c")], false),
        ] {
            assert_eq!(is_asked_for(&from_lines(&fields)), expected, "{fields:?}");
        }
    }
}
