//! The opening handshake, validated like the ws library does.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::head::Head;

/// The 101 with t3's three headers and, if one was offered, the first subprotocol (contract §5); or ws's refusal.
pub(crate) fn accept(head: &Head) -> Result<Vec<u8>, Vec<u8>> {
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
    let accept = derive_accept_key(key.as_bytes());
    let first = head
        .get("sec-websocket-protocol")
        .and_then(|offered| offered.split(',').next());
    let protocol = first.map(|first| format!("Sec-WebSocket-Protocol: {}\r\n", first.trim()));
    let protocol = protocol.unwrap_or_default();
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    )
    .into_bytes())
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
