//! Probes that end connections: `close`, `drop`, `hang`.

use std::io;

use crate::http::response::Response;
use crate::routes::exchange::{After, Exchange};

/// Announces the close, and closes.
pub(super) async fn close(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let response = Response::text(200, "closing\n").encode(exchange.head, false);
    exchange.wire.write(&response).await?;
    Ok(After::Close)
}

/// Closes without a response; with `?reuse=1` only on a reused connection, as a race with the idle close does.
pub(super) async fn drop(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let only_reused = exchange.target().parameter("reuse").is_some();
    if only_reused && exchange.number == 0 {
        return exchange.send(&Response::text(200, "not dropped\n")).await;
    }
    Ok(After::Drop)
}

/// Never responds.
pub(super) async fn hang(exchange: &mut Exchange<'_>) -> io::Result<After> {
    exchange.wire.gone().await;
    Err(io::ErrorKind::UnexpectedEof.into())
}
