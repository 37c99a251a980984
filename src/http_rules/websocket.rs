//! Is a WebSocket asked for, is it granted, and how the next hop is told. Pure.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, StatusCode};

use crate::http_rules::header_policy::has_token;

/// Does the request ask to go on as a WebSocket (RFC 6455 §4.1)? Whether it may is another matter.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket")
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

    use super::*;
    use crate::http_rules::header_policy::from_lines;

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
