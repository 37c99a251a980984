//! Is a WebSocket asked for, is it granted, and how the next hop is told. Pure.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, StatusCode};

use crate::headers::has_token;

/// Does the request ask to go on as a WebSocket (RFC 6455 §4.1)?
pub fn asks_for_websocket(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket")
}

/// Is this the answer that turns the connection into a WebSocket (RFC 9110 §15.2.2)?
pub fn switches_to_websocket(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS && has_token(headers, &UPGRADE, "websocket")
}

/// Says on the next hop that this message asks for, or grants, a WebSocket.
pub fn mark_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[test]
    fn only_a_get_with_both_fields_asks_for_a_websocket() {
        for (method, fields, expected) in [
            (
                Method::GET,
                vec![("connection", "Upgrade"), ("upgrade", "websocket")],
                true,
            ),
            (
                Method::GET,
                vec![
                    ("connection", "keep-alive"),
                    ("connection", "x, upgrade"),
                    ("upgrade", "WebSocket"),
                ],
                true,
            ),
            (Method::GET, vec![("upgrade", "websocket")], false),
            (
                Method::GET,
                vec![("connection", "Upgrade"), ("upgrade", "h2c")],
                false,
            ),
            (
                Method::POST,
                vec![("connection", "Upgrade"), ("upgrade", "websocket")],
                false,
            ),
        ] {
            assert_eq!(
                asks_for_websocket(&method, &map(&fields)),
                expected,
                "{fields:?}"
            );
        }
    }
}
