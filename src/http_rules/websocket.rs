//! WebSocket upgrades: requested, granted, and marked on the next hop. Pure.

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, StatusCode};

use crate::http_rules::header_policy::has_token;

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
