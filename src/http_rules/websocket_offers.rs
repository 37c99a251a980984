//! What a WebSocket handshake offers: subprotocols and extensions. Pure.
//!
//! t3's library rejects what does not parse, and after that, with a session, t3 never exits (contract
//! §10). So these read as strictly as that library.

use std::collections::HashSet;

use http::HeaderMap;
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};

use crate::http_rules::grammar::{is_token, list_members};

/// Are the subprotocols that are offered, if any are, unique tokens (RFC 6455 §4.1)? Several lines are
/// one list (RFC 9110 §5.3); case counts.
pub fn has_unique_protocols(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = HashSet::new();
    lines
        .flat_map(|line| list_members(line.as_bytes()))
        .all(|protocol| is_token(protocol) && offered.insert(protocol))
}

/// Are the extensions that are offered, if any are, a list of names with parameters (RFC 6455 §9.1),
/// and those of permessage-deflate valid (RFC 7692 §7.1)?
pub fn has_valid_extensions(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    lines.all(|line| list_members(line.as_bytes()).all(is_extension))
}

fn is_extension(offer: &[u8]) -> bool {
    let mut parts = offer.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let mut keys = HashSet::new();
    is_token(name)
        && parts.map(key_and_value).all(|(key, value)| {
            let is_known = name != b"permessage-deflate" || is_of_deflate(key, value);
            is_token(key) && value.is_none_or(is_token) && is_known && keys.insert(key)
        })
}

fn key_and_value(parameter: &[u8]) -> (&[u8], Option<&[u8]>) {
    let equals = parameter.iter().position(|byte| *byte == b'=');
    let (key, value) = parameter.split_at(equals.unwrap_or(parameter.len()));
    (key, value.strip_prefix(b"=").map(unquoted))
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    let inner = inner.and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

fn is_of_deflate(key: &[u8], value: Option<&[u8]>) -> bool {
    let is_window = |bits: &[u8]| matches!(bits, [b'8' | b'9'] | [b'1', b'0'..=b'5']);
    match key {
        b"server_no_context_takeover" | b"client_no_context_takeover" => value.is_none(),
        b"server_max_window_bits" => value.is_some_and(is_window),
        b"client_max_window_bits" => value.is_none_or(is_window),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn subprotocols_are_a_list_of_unique_tokens() {
        for (lines, expected) in [
            (vec![], true),
            (vec!["a"], true),
            (vec!["a,b\t, c"], true),
            (vec!["a", "b"], true),
            (vec!["a, A"], true),
            (vec!["t3.v1+json"], true),
            (vec![""], false),
            (vec!["a, a"], false),
            (vec!["a", "b, a"], false),
            (vec!["a,,b"], false),
            (vec!["a,"], false),
            (vec!["a", ""], false),
            (vec!["a b"], false),
            (vec!["a;b"], false),
            (vec!["\"a\""], false),
            (vec!["\u{e9}"], false),
        ] {
            let name = "sec-websocket-protocol";
            let fields: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
            let fields = from_lines(&fields);
            assert_eq!(has_unique_protocols(&fields), expected, "{lines:?}");
        }
    }

    #[test]
    fn extensions_are_names_with_parameters_and_deflate_has_its_own() {
        for (offer, expected) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            (
                "permessage-deflate;client_max_window_bits=15 ; server_max_window_bits=8",
                true,
            ),
            ("permessage-deflate; server_max_window_bits=\"10\"", true),
            (
                "permessage-deflate; server_no_context_takeover, permessage-deflate",
                true,
            ),
            ("x-webkit-deflate-frame", true),
            ("foo; a=b; c, bar", true),
            ("", false),
            ("foo,", false),
            ("foo;", false),
            ("foo;;a", false),
            ("foo; a=", false),
            ("foo; a=\"b", false),
            ("foo; a=\"b c\"", false),
            ("foo; a = b", false),
            ("foo bar", false),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                false,
            ),
            ("permessage-deflate; server_no_context_takeover=1", false),
            ("permessage-deflate; server_max_window_bits", false),
            ("permessage-deflate; server_max_window_bits=99", false),
            ("permessage-deflate; client_max_window_bits=7", false),
            ("permessage-deflate; client_max_window_bits=010", false),
            ("permessage-deflate; mux", false),
        ] {
            let fields = from_lines(&[("sec-websocket-extensions", offer)]);
            assert_eq!(has_valid_extensions(&fields), expected, "{offer}");
        }
        assert!(has_valid_extensions(&HeaderMap::new()));
    }
}
