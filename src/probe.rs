//! The probe: an echoing WebSocket, by which a synthetic client tells the network's drops from t3's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_util::sync::CancellationToken;

/// How many probes can be open at a time.
const MAX_PROBES: usize = 64;

/// A probe ends after this long without a message from its client.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// The maximum size of a message.
const MESSAGE_BYTES: usize = 4 * 1024;

/// How long the client may take to receive a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the client may take to reply to a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Hands out a permit for each open probe.
#[derive(Debug)]
pub struct Probes(Arc<Semaphore>);

/// The permit for one probe, returned when it is dropped.
#[derive(Debug)]
pub struct ProbePermit(#[allow(dead_code)] OwnedSemaphorePermit);

type Socket = WebSocketStream<TcpStream>;

/// Why the dispatcher ends a probe (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy)]
enum ProbeEnd {
    Draining,
    Silent,
    TooLong,
    NotUtf8,
    NoWebSocket,
}

impl Default for Probes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_PROBES)))
    }
}

impl Probes {
    /// A permit for one more probe; `None` if `MAX_PROBES` are open.
    pub fn permit(&self) -> Option<ProbePermit> {
        let permit = Arc::clone(&self.0).try_acquire_owned();
        permit.ok().map(ProbePermit)
    }
}

impl ProbePermit {
    /// Echoes what the client sends on `stream` after its handshake, beginning with `early`. Returns
    /// when the client has left, was silent for too long or sent too much, or `drain` is set.
    pub async fn echo(self, stream: TcpStream, early: Bytes, drain: &CancellationToken) {
        serve(stream, early, SILENCE_TIMEOUT, drain).await;
    }
}

/// Echoes until the client is gone, or until there is a reason to close.
async fn serve(stream: TcpStream, early: Bytes, silence: Duration, drain: &CancellationToken) {
    let config = WebSocketConfig::default()
        .read_buffer_size(MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_BYTES)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    let early = early.to_vec();
    let mut socket = Socket::from_partially_read(stream, early, Role::Server, Some(config)).await;
    let end = tokio::select! {
        end = echo(&mut socket, silence) => end,
        () = drain.cancelled() => Some(ProbeEnd::Draining),
    };
    if let Some(end) = end {
        let _ = timeout(CLOSE_TIMEOUT, close(&mut socket, end)).await;
    }
}

/// Echoes messages. Returns the reason to close, or `None` if the client has left.
async fn echo(socket: &mut Socket, silence: Duration) -> Option<ProbeEnd> {
    loop {
        let Ok(message) = timeout(silence, socket.next()).await else {
            return Some(ProbeEnd::Silent);
        };
        match message? {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                let sent = timeout(SEND_TIMEOUT, socket.send(message)).await;
                sent.ok()?.ok()?;
            }
            // The library answers pings and the close by itself.
            Ok(_) => {}
            Err(error) => return reason(&error),
        }
    }
}

fn reason(error: &tungstenite::Error) -> Option<ProbeEnd> {
    match error {
        Error::Capacity(_) => Some(ProbeEnd::TooLong),
        Error::Utf8(_) => Some(ProbeEnd::NotUtf8),
        Error::Protocol(_) => Some(ProbeEnd::NoWebSocket),
        _ => None,
    }
}

/// Sends the reason, and reads until the client replies: a socket that is closed with unread bytes
/// is reset, and the reset may overtake the close frame.
async fn close(socket: &mut Socket, end: ProbeEnd) {
    let (code, reason) = match end {
        ProbeEnd::Draining => (CloseCode::Away, "the dispatcher drains"),
        ProbeEnd::Silent => (CloseCode::Policy, "silent for too long"),
        ProbeEnd::TooLong => (CloseCode::Size, "a message has 4 KiB at most"),
        ProbeEnd::NotUtf8 => (CloseCode::Invalid, "not UTF-8"),
        ProbeEnd::NoWebSocket => (CloseCode::Protocol, "no WebSocket"),
    };
    let reason = reason.into();
    if socket
        .close(Some(CloseFrame { code, reason }))
        .await
        .is_ok()
    {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    async fn probe(silence: Duration, drain: CancellationToken) -> Socket {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let client = TcpStream::connect(addr).await.expect("a listener");
        let (server, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move { serve(server, Bytes::new(), silence, &drain).await });
        Socket::from_raw_socket(client, Role::Client, None).await
    }

    /// The code of the close frame that ends a probe.
    async fn closed(socket: &mut Socket) -> Option<CloseCode> {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                return Some(frame.code);
            }
        }
        None
    }

    #[tokio::test]
    async fn one_that_is_silent_is_ended_and_one_that_speaks_is_not() {
        let silence = Duration::from_secs(1);
        let mut socket = probe(silence, CancellationToken::new()).await;
        let start = Instant::now();
        while start.elapsed() < silence * 3 / 2 {
            socket.send(Message::text("here")).await.expect("open");
            let echo = socket.next().await.expect("open").expect("a message");
            assert_eq!(echo, Message::text("here"));
        }
        assert_eq!(closed(&mut socket).await, Some(CloseCode::Policy));
    }

    #[tokio::test]
    async fn what_is_too_long_and_what_is_no_websocket_ends_it() {
        let silence = Duration::from_secs(60);
        let mut socket = probe(silence, CancellationToken::new()).await;
        let longest = Message::binary(vec![7; MESSAGE_BYTES]);
        socket.send(longest.clone()).await.expect("open");
        assert_eq!(socket.next().await.expect("open").expect("it"), longest);
        let longer = Message::binary(vec![7; MESSAGE_BYTES + 1]);
        socket.send(longer).await.expect("open");
        assert_eq!(closed(&mut socket).await, Some(CloseCode::Size));
    }

    #[tokio::test]
    async fn a_drain_says_so() {
        let drain = CancellationToken::new();
        let mut socket = probe(Duration::from_secs(60), drain.clone()).await;
        socket.send(Message::text("here")).await.expect("open");
        socket.next().await.expect("open").expect("it");
        drain.cancel();
        assert_eq!(closed(&mut socket).await, Some(CloseCode::Away));
    }
}
