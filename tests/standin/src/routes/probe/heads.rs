//! Probes about header lines: `head`, `cookies`, `status`, `early-hints`, `hop`.

use std::io;

use serde::Serialize;

use crate::http::response::{Payload, Response};
use crate::routes::exchange::{After, Exchange};

#[derive(Serialize)]
struct Seen<'a> {
    method: &'a str,
    target: String,
    peer: String,
    /// The TCP connection's serial number.
    connection: u64,
    /// How many requests came before it on that connection.
    number: u64,
    headers: Vec<(&'a str, String)>,
}

/// Returns the request as received, for the client to compare with what it sent.
pub(super) async fn seen(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let head = exchange.head;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seen = Seen {
        method: head.method(),
        target: text(head.target()),
        peer: exchange.peer.addr.to_string(),
        connection: exchange.peer.serial,
        number: exchange.number,
        headers: head
            .headers()
            .map(|(name, value)| (name, text(value)))
            .collect(),
    };
    exchange
        .send(&Response::json(200, serde_json::to_vec(&seen)?))
        .await
}

/// Sends lines that must neither be joined, nor reordered, nor rewritten.
pub(super) async fn cookies(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let response = Response::text(200, "cookies\n")
        .with(
            "Set-Cookie",
            "a=1; Path=/; Expires=Tue, 22 Dec 2026 14:35:08 GMT; HttpOnly",
        )
        .with("X-Repeat", "one")
        .with(
            "set-cookie",
            "b=\"quoted, with comma\"; Path=/x; SameSite=None; Secure",
        )
        .with("x-repeat", "two, three")
        .with("Set-Cookie", "empty=")
        .with("X-REPEAT", "four")
        .with("X-Empty", "")
        .with("X-Spaces", "  in  between  ")
        .with("X-Obs-Text", "grüße")
        .with("Set-Cookie", "a=2; Path=/again");
    exchange.send(&response).await
}

/// Sends that status: without a body for 204 and 304, where 304 keeps the length of the full response.
pub(super) async fn status(exchange: &mut Exchange<'_>, status: u16) -> io::Result<After> {
    let body = format!("status {status}\n");
    let response = match status {
        204 => Response::empty(204),
        205 => Response::text(205, ""),
        304 => Response::new(304, Payload::Absent)
            .with("etag", "\"standin\"")
            .with("content-length", &body.len().to_string()),
        300..=399 => Response::text(status, body).with("location", "/standin/1k"),
        _ => Response::text(status, body),
    };
    exchange.send(&response).await
}

pub(super) async fn early_hints(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let hints =
        "HTTP/1.1 103 Early Hints\r\nLink: </apple-touch-icon.png>; rel=preload; as=image\r\n\r\n";
    exchange.wire.write(hints.as_bytes()).await?;
    exchange
        .send(&Response::text(200, "after the hints\n"))
        .await
}

/// Sends hop-by-hop lines (RFC 9110 §7.6.1), and one that is not.
pub(super) async fn hop(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let response = Response::text(200, "hop\n")
        .with("Connection", "x-hop-one")
        .with("connection", "keep-alive, X-Hop-Two")
        .with("X-Hop-One", "1")
        .with("X-Hop-Two", "2")
        .with("Keep-Alive", "timeout=99")
        .with("Proxy-Authenticate", "Basic realm=\"hop\"")
        .with("Proxy-Authentication-Info", "x")
        .with("Proxy-Connection", "keep-alive")
        .with("TE", "trailers")
        .with("Upgrade", "h2c")
        .with("X-Kept", "yes");
    exchange.send(&response).await
}
