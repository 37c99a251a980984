//! The opening handshake, validated like the ws library does.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::deflate::Deflate;
use super::extensions;
use crate::http::head::Head;

/// A handshake that is accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The 101 with t3's three headers and, if one was offered, the first subprotocol (contract §5).
    pub(crate) response: Vec<u8>,
    /// permessage-deflate, if it was offered and is negotiated.
    pub(crate) deflate: Option<Deflate>,
}

/// The 101, or ws's refusal.
pub(crate) fn accept(head: &Head, deflates: bool) -> Result<Accepted, Vec<u8>> {
    if !head
        .get("upgrade")
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    {
        return Err(refusal("Invalid Upgrade header", ""));
    }
    let key = head.get("sec-websocket-key").filter(|key| is_key(key));
    let key = key.ok_or_else(|| refusal("Missing or invalid Sec-WebSocket-Key header", ""))?;
    if !matches!(head.get("sec-websocket-version"), Some("13" | "8")) {
        let versions = "Sec-WebSocket-Version: 13, 8\r\n";
        return Err(refusal(
            "Missing or invalid Sec-WebSocket-Version header",
            versions,
        ));
    }
    let protocol = match joined(head, "sec-websocket-protocol") {
        None => String::new(),
        Some(offered) => {
            let invalid = || refusal("Invalid Sec-WebSocket-Protocol header", "");
            let first = first_protocol(&offered).ok_or_else(invalid)?;
            format!("Sec-WebSocket-Protocol: {first}\r\n")
        }
    };
    let deflate = match joined(head, "sec-websocket-extensions") {
        Some(offered) if deflates => extensions::accept(&offered).ok_or_else(|| {
            refusal(
                "Invalid or unacceptable Sec-WebSocket-Extensions header",
                "",
            )
        })?,
        _ => None,
    };
    let extensions = deflate.as_ref().map_or(String::new(), |deflate| {
        format!("Sec-WebSocket-Extensions: {}\r\n", deflate.answer)
    });
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}{extensions}\r\n"
    );
    Ok(Accepted {
        response: response.into_bytes(),
        deflate,
    })
}

/// All lines of a name, as Node joins them.
fn joined(head: &Head, name: &str) -> Option<String> {
    let lines: Vec<&str> = head.all(name).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The first of unique tokens joined by commas; anything else is refused (contract §10).
fn first_protocol(offered: &str) -> Option<&str> {
    let offers: Vec<&str> = offered.split(',').map(str::trim).collect();
    let is_unique = |at: usize| !offers[..at].contains(&offers[at]);
    let is_list =
        offers.iter().all(|offer| extensions::is_token(offer)) && (0..offers.len()).all(is_unique);
    is_list.then(|| offers[0])
}

/// ws's `/^[+/0-9A-Za-z]{22}==$/`.
fn is_key(key: &str) -> bool {
    let sign = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    key.strip_suffix("==")
        .is_some_and(|signs| signs.len() == 22 && signs.bytes().all(sign))
}

fn refusal(message: &str, lines: &str) -> Vec<u8> {
    let length = message.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/html\r\n\
         Content-Length: {length}\r\n{lines}\r\n{message}"
    )
    .into_bytes()
}
