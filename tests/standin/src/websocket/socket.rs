//! A WebSocket: its limits, and the ways in which t3 ends it.

use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::http::wire::Wire;

pub(super) type Socket = WebSocketStream<TcpStream>;

/// ws's maxPayload (contract §5).
const MAX_MESSAGE_BYTES: usize = 100 * 1024 * 1024;

/// What follows the close frame on the same stream when t3 stops (contract §7).
const LAST_BYTES: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n";

pub(super) async fn framed(wire: Wire) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let Wire { stream, buffer } = wire;
    WebSocketStream::from_partially_read(stream, buffer.to_vec(), Role::Server, Some(config)).await
}

/// A close frame without a code, raw bytes, the end (contract §7).
pub(super) async fn cut(mut socket: Socket) {
    if socket.send(Message::Close(None)).await.is_ok() {
        let stream = socket.get_mut();
        let _already_gone = stream.write_all(LAST_BYTES).await;
        let _already_gone = stream.shutdown().await;
    }
}

/// A message over the limit is closed with 1009 (contract §5).
pub(super) async fn fail(mut socket: Socket, error: &Error) {
    if matches!(error, Error::Capacity(_)) {
        let frame = CloseFrame {
            code: CloseCode::Size,
            reason: "".into(),
        };
        let _already_gone = socket.send(Message::Close(Some(frame))).await;
        let _already_gone = socket.get_mut().shutdown().await;
    }
}
