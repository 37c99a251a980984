//! What t3 says of itself when it is probed: its version, its protocol, its session cookie's name.

use std::fmt;

use serde_json::Value;
use tracing::{info, warn};

use crate::metrics::upstream::UpstreamTally;

/// Where t3 describes itself, to everybody (contract §6).
pub const DESCRIPTOR: &str = "/.well-known/t3/environment";

/// The longest text of t3's own that goes into a log line or a metric's label.
const MAX_TEXT_BYTES: usize = 64;

/// The warning of a protocol that the dispatcher was not written for.
const UNKNOWN_PROTOCOL: &str = "t3 speaks a protocol that this dispatcher does not know (it knows 1 and 2): \
    requests are forwarded, pairing may fail; run `t3-dispatcher check` and look for a newer dispatcher";

/// What t3's descriptor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its version, printable and of bounded length. Nothing may depend on it: main carries the number of
    /// the last stable release (contract, "Versions").
    pub version: String,
    /// Its orchestration protocol.
    pub protocol: Protocol,
}

/// An orchestration protocol of t3: how its API and its `/ws` are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Until autumn 2026: `/ws` without a query.
    One,
    /// `/ws?orchestrationProtocol=2`.
    Two,
    /// Another number.
    Newer(u32),
    /// No such number.
    Unreadable,
}

impl Descriptor {
    /// Reads the body of t3's response. What is missing there, or no descriptor at all, is of a t3 that
    /// does not have it yet.
    pub fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::of(&value)
    }

    /// The descriptor that `value` is.
    pub fn of(value: &Value) -> Self {
        let protocol = value.get("orchestrationProtocolVersion");
        Self {
            version: shown(value["serverVersion"].as_str().unwrap_or_default()),
            protocol: Protocol::of(protocol),
        }
    }

    /// Tells which t3 is up, with its session cookie's name.
    pub(super) fn announce(&self, cookie: &str, tally: &mut UpstreamTally) {
        let Self { version, protocol } = self;
        info!(cookie, version, %protocol, "t3 is up");
        tally.describes(version, &protocol.to_string());
        if !protocol.is_known() {
            warn!(%protocol, version, "{UNKNOWN_PROTOCOL}");
        }
    }
}

impl Protocol {
    /// The protocol that a descriptor's field names; without the field it is the first.
    fn of(field: Option<&Value>) -> Self {
        let number = match field {
            None => Some(1),
            Some(value) => value.as_u64(),
        };
        match number {
            Some(1) => Self::One,
            Some(2) => Self::Two,
            Some(other) => u32::try_from(other).map_or(Self::Unreadable, Self::Newer),
            None => Self::Unreadable,
        }
    }

    /// Was the dispatcher written for it?
    pub fn is_known(&self) -> bool {
        matches!(self, Self::One | Self::Two)
    }

    /// The target of t3's WebSocket (contract §5).
    pub fn websocket_target(&self) -> String {
        match self {
            Self::One | Self::Unreadable => "/ws".to_owned(),
            Self::Two | Self::Newer(_) => format!("/ws?orchestrationProtocol={self}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => formatter.write_str("1"),
            Self::Two => formatter.write_str("2"),
            Self::Newer(number) => write!(formatter, "{number}"),
            Self::Unreadable => formatter.write_str("unreadable"),
        }
    }
}

/// The protocol that the query of a request for `/ws` asks for, as it may be logged (contract §5).
pub fn asked_protocol(query: &str) -> Option<String> {
    let mut pairs = query.split('&');
    let asked = pairs.find_map(|pair| pair.strip_prefix("orchestrationProtocol="))?;
    Some(shown(asked))
}

/// `text` as far as it may go into a log line or a label: at most [`MAX_TEXT_BYTES`] plain characters.
fn shown(text: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '+' | '_' => character,
        _ => '_',
    };
    let shown: String = text.chars().take(MAX_TEXT_BYTES).map(plain).collect();
    match shown.is_empty() {
        true => "unknown".to_owned(),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_the_descriptor_s_and_the_first_where_it_names_none() {
        for (body, protocol, target) in [
            // v0.0.27, contract §6.
            (
                r#"{"environmentId":"e","label":"vm","platform":{"os":"linux","arch":"x64"},"serverVersion":"0.0.27","capabilities":{}}"#,
                Protocol::One,
                "/ws",
            ),
            (
                r#"{"serverVersion":"0.0.45","orchestrationProtocolVersion":1}"#,
                Protocol::One,
                "/ws",
            ),
            (
                r#"{"environmentId":"e","label":"vm","platform":{"os":"linux","arch":"x64","machine":"m"},"serverVersion":"0.0.45","orchestrationProtocolVersion":2,"capabilities":{"fileAttachments":{"maxUploadBytes":10485760}}}"#,
                Protocol::Two,
                "/ws?orchestrationProtocol=2",
            ),
            (
                r#"{"serverVersion":"0.0.26","orchestrationProtocolVersion":3}"#,
                Protocol::Newer(3),
                "/ws?orchestrationProtocol=3",
            ),
            (
                r#"{"orchestrationProtocolVersion":0}"#,
                Protocol::Newer(0),
                "/ws?orchestrationProtocol=0",
            ),
            (
                r#"{"orchestrationProtocolVersion":"2"}"#,
                Protocol::Unreadable,
                "/ws",
            ),
            (
                r#"{"orchestrationProtocolVersion":null}"#,
                Protocol::Unreadable,
                "/ws",
            ),
            (
                r#"{"orchestrationProtocolVersion":-1}"#,
                Protocol::Unreadable,
                "/ws",
            ),
            (
                r#"{"orchestrationProtocolVersion":2.5}"#,
                Protocol::Unreadable,
                "/ws",
            ),
            (
                r#"{"orchestrationProtocolVersion":4294967296}"#,
                Protocol::Unreadable,
                "/ws",
            ),
            ("<!doctype html>", Protocol::One, "/ws"), // another t3's page
            ("", Protocol::One, "/ws"),
            ("[]", Protocol::One, "/ws"),
        ] {
            let descriptor = Descriptor::read(body.as_bytes());
            assert_eq!(descriptor.protocol, protocol, "{body}");
            assert_eq!(descriptor.protocol.websocket_target(), target, "{body}");
            let is_known = matches!(protocol, Protocol::One | Protocol::Two);
            assert_eq!(descriptor.protocol.is_known(), is_known, "{body}");
        }
    }

    #[test]
    fn what_a_websocket_asks_for_is_shown_plain() {
        for (query, asked) in [
            ("", None),
            ("wsTicket=x&xorchestrationProtocol=2", None),
            ("clientSurface=web&orchestrationProtocol=2", Some("2")),
            (
                "orchestrationProtocol=%0a1&orchestrationProtocol=2",
                Some("_0a1"),
            ),
            ("orchestrationProtocol=", Some("unknown")),
        ] {
            assert_eq!(asked_protocol(query).as_deref(), asked, "{query}");
        }
    }

    #[test]
    fn a_version_is_t3_s_text_and_is_plain_and_bounded_here() {
        for (version, expected) in [
            (
                "0.0.46-nightly.20261004.2644",
                "0.0.46-nightly.20261004.2644",
            ),
            ("1\n\"} 5", "1____5"),
            ("\u{202e}v1", "_v1"),
            ("", "unknown"),
        ] {
            let value = serde_json::json!({ "serverVersion": version });
            assert_eq!(Descriptor::of(&value).version, expected, "{version:?}");
        }
        let value = serde_json::json!({ "serverVersion": "9".repeat(5000) });
        assert_eq!(Descriptor::of(&value).version.len(), MAX_TEXT_BYTES);
    }
}
