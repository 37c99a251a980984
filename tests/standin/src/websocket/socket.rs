//! A WebSocket: its limits, and the ways in which t3 ends it.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWriteExt, Join};
use tokio::net::tcp::OwnedWriteHalf;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::deflate::{Deflate, Deflater, Inflated};
use crate::clock;
use crate::http::response;
use crate::http::wire::Wire;

/// ws's maxPayload (contract §5).
pub(super) const MAX_MESSAGE_BYTES: usize = 100 * 1024 * 1024;

/// What follows the close frame on the same stream when t3 stops (contract §7, §11).
fn last_bytes() -> Vec<u8> {
    let date = clock::imf_fixdate(clock::now_ms());
    let lines = format!(
        "access-control-allow-origin: *\r\nDate: {date}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    );
    let mut last = Vec::new();
    response::start(&mut last, 503, lines.as_bytes());
    last.extend_from_slice(b"\r\n0\r\n\r\n");
    last
}

type Stream = Join<Box<dyn AsyncRead + Send + Unpin>, OwnedWriteHalf>;

pub(super) struct Socket {
    stream: WebSocketStream<Stream>,
    deflater: Option<Deflater>,
}

impl Socket {
    pub(super) async fn framed(wire: Wire, deflate: Option<Deflate>) -> Socket {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let Wire { stream, buffer } = wire;
        let (read, write) = stream.into_split();
        let deflater = deflate.as_ref().and_then(Deflater::new);
        let (read, unread): (Box<dyn AsyncRead + Send + Unpin>, Vec<u8>) = match &deflate {
            Some(deflate) => (Box::new(Inflated::new(read, buffer, deflate)), Vec::new()),
            None => (Box::new(read), buffer.to_vec()),
        };
        let stream = tokio::io::join(read, write);
        let stream =
            WebSocketStream::from_partially_read(stream, unread, Role::Server, Some(config));
        Socket {
            stream: stream.await,
            deflater,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.stream.next().await
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        let message = match &mut self.deflater {
            Some(deflater) => deflater.message(message),
            None => message,
        };
        self.stream.send(message).await
    }

    /// A close frame without a code, raw bytes, the end (contract §7).
    pub(super) async fn cut(mut self) {
        if self.send(Message::Close(None)).await.is_ok() {
            let stream = self.stream.get_mut();
            let _already_gone = stream.write_all(&last_bytes()).await;
            let _already_gone = stream.shutdown().await;
        }
    }

    /// A message over the limit is closed with 1009 (contract §5).
    pub(super) async fn fail(mut self, error: &Error) {
        if matches!(error, Error::Capacity(_)) {
            let frame = CloseFrame {
                code: CloseCode::Size,
                reason: "".into(),
            };
            let _already_gone = self.send(Message::Close(Some(frame))).await;
            let _already_gone = self.stream.get_mut().shutdown().await;
        }
    }
}
