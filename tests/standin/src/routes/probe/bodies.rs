//! Probes that take a request body: `echo`, `digest`, `early`.

use std::io;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::http::response::Response;
use crate::routes::exchange::{After, Exchange};

/// Echoes the body as it arrives: chunked with its trailers if it was chunked.
pub(super) async fn echo(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let chunked = exchange.body.is_chunked;
    let mut lines = String::new();
    for name in ["content-type", "trailer"] {
        if let Some(value) = exchange.head.get(name) {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if let Some(length) = exchange.body.length() {
        lines.push_str(&format!("content-length: {length}\r\n"));
    }
    exchange.send_head(200, &lines, chunked).await?;
    while let Some(part) = exchange.body.next(exchange.wire).await? {
        if chunked {
            exchange.send_chunk(&part).await?;
        } else {
            exchange.wire.write(&part).await?;
        }
    }
    if chunked {
        let trailers = std::mem::take(&mut exchange.body.trailers);
        exchange.send_end(&trailers).await?;
    }
    exchange.after().await
}

/// `{"bytes":n,"sha256":"<hex>"}` of the whole body.
pub(super) async fn digest(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let mut bytes = 0;
    let mut hash = Sha256::new();
    while let Some(part) = exchange.body.next(exchange.wire).await? {
        bytes += part.len();
        hash.update(&part);
    }
    let hash = HEXLOWER.encode(&hash.finalize());
    exchange
        .send(&Response::json(
            200,
            format!(r#"{{"bytes":{bytes},"sha256":"{hash}"}}"#),
        ))
        .await
}

/// 413 before any of the body is read, without a 100, then the end.
pub(super) async fn early(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let response = Response::text(413, "too much\n").encode(exchange.head, false);
    exchange.wire.write(&response).await?;
    Ok(After::Close)
}
