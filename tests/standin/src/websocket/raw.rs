//! A probe's upgraded connection without WebSocket frames: echoes bytes, and replies to the end.

use crate::http::wire::Wire;

/// The last bytes, once the client has ended its side.
const FAREWELL: &[u8] = b"bye";

pub(super) async fn serve(mut wire: Wire) {
    loop {
        if !wire.buffer.is_empty() {
            let bytes = wire.buffer.split();
            if wire.write(&bytes).await.is_err() {
                return;
            }
        }
        if wire.fill().await.is_err() {
            let _already_gone = wire.write(FAREWELL).await;
            return wire.finish().await;
        }
    }
}
