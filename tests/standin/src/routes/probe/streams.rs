//! Probes whose response is a stream: `bytes`, `slow`, `trailers`, `cut`.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use crate::routes::exchange::{After, Exchange};

/// The byte at offset `i` of `bytes/<n>` is `i % 251`: a prime, so that no block size hides a shift.
const PATTERN_PERIOD: usize = 251;

/// A whole number of periods, so that blocks continue each other.
const BLOCK_BYTES: usize = PATTERN_PERIOD * 256;

static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..BLOCK_BYTES)
        .map(|i| (i % PATTERN_PERIOD) as u8)
        .collect()
});

/// The length that `cut` announces, and the length that it sends.
const CUT_PROMISED: usize = 1000;
const CUT_SENT: usize = 500;

pub(super) async fn bytes(exchange: &mut Exchange<'_>, length: u64) -> io::Result<After> {
    let chunked = exchange.target().parameter("chunked").is_some();
    let mut lines = "content-type: application/octet-stream\r\n".to_owned();
    if !chunked {
        lines.push_str(&format!("content-length: {length}\r\n"));
    }
    exchange.send_head(200, &lines, chunked).await?;
    if exchange.head.method() == "HEAD" {
        return exchange.after().await;
    }
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        if chunked {
            exchange.send_chunk(&BLOCK[..part]).await?;
        } else {
            exchange.wire.write(&BLOCK[..part]).await?;
        }
        left -= part as u64;
    }
    if chunked {
        exchange.send_end(b"").await?;
    }
    exchange.after().await
}

/// `first\n` at once, `last\n` after `?ms=`.
pub(super) async fn slow(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let wait = Duration::from_millis(exchange.target().number("ms").unwrap_or(1000));
    exchange
        .send_head(200, "content-type: text/plain\r\n", true)
        .await?;
    exchange.send_chunk(b"first\n").await?;
    exchange.wire.pause(wait).await?;
    exchange.send_chunk(b"last\n").await?;
    exchange.send_end(b"").await?;
    exchange.after().await
}

pub(super) async fn trailers(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let lines = "content-type: text/plain\r\nTrailer: x-checksum, x-late\r\n";
    exchange.send_head(200, lines, true).await?;
    exchange.send_chunk(b"before the trailers\n").await?;
    exchange
        .send_end(b"x-checksum: 42\r\nX-Late: yes\r\n")
        .await?;
    exchange.after().await
}

/// Half of the announced length, then the end; with `?chunked=1` no last chunk.
pub(super) async fn cut(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let half = &BLOCK[..CUT_SENT];
    if exchange.target().parameter("chunked").is_some() {
        exchange.send_head(200, "", true).await?;
        exchange.send_chunk(half).await?;
    } else {
        exchange
            .send_head(200, &format!("content-length: {CUT_PROMISED}\r\n"), false)
            .await?;
        exchange.wire.write(half).await?;
    }
    Ok(After::Drop)
}
