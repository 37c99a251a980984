//! The stand-in's own routes under `/standin/`, each for one thing that a proxy can get wrong. None needs a session.

mod bodies;
mod disconnects;
mod heads;
mod streams;

use std::io;

use bytes::Bytes;

use super::exchange::{After, Exchange};
use super::upgrade;
use crate::http::response::Response;
use crate::websocket::Upgrade;

/// 1 KiB, for benchmarks.
static KIBIBYTE: [u8; 1024] = [b'k'; 1024];

/// `None` if no probe has that name.
pub(super) async fn respond(exchange: &mut Exchange<'_>, name: &str) -> io::Result<Option<After>> {
    let method = match exchange.head.method() {
        "HEAD" => "GET",
        method => method,
    };
    if (method, name) == ("POST", "early") {
        return bodies::early(exchange).await.map(Some);
    }
    exchange.continue_if_expected().await?;
    Ok(Some(match (method, name) {
        ("GET", "1k") => {
            let body = Bytes::from_static(&KIBIBYTE);
            exchange
                .send(&Response::typed(200, "application/octet-stream", body))
                .await?
        }
        ("POST" | "PUT", "echo") => bodies::echo(exchange).await?,
        ("POST", "digest") => bodies::digest(exchange).await?,
        ("GET", "slow") => streams::slow(exchange).await?,
        ("GET", "trailers") => streams::trailers(exchange).await?,
        ("GET", "cut") => streams::cut(exchange).await?,
        ("GET", "head") => heads::seen(exchange).await?,
        ("GET", "cookies") => heads::cookies(exchange).await?,
        ("GET", "early-hints") => heads::early_hints(exchange).await?,
        ("GET", "hop") => heads::hop(exchange).await?,
        ("GET", "close") => disconnects::close(exchange).await?,
        ("GET", "drop") => disconnects::drop(exchange).await?,
        ("GET", "hang") => disconnects::hang(exchange).await?,
        ("GET", "ws") => upgrade::probe(exchange, Upgrade::Echo).await?,
        ("GET", "ws-raw") => upgrade::probe(exchange, Upgrade::Raw).await?,
        ("GET", name) => return numbered(exchange, name).await,
        _ => return Ok(None),
    }))
}

/// `bytes/<n>` and `status/<code>`.
async fn numbered(exchange: &mut Exchange<'_>, name: &str) -> io::Result<Option<After>> {
    let Some((kind, Ok(number))) = name
        .split_once('/')
        .map(|(kind, number)| (kind, number.parse::<u64>()))
    else {
        return Ok(None);
    };
    Ok(match (kind, number) {
        ("bytes", length) => Some(streams::bytes(exchange, length).await?),
        ("status", 200..=599) => Some(heads::status(exchange, number as u16).await?),
        _ => None,
    })
}
