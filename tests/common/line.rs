//! A line of a given delay and width in front of a server: what a browser far away waits for.
//!
//! All connections share the width, each way by itself, and take turns. Each begins with a round trip for its handshake,
//! and with as many bytes on the way as Linux begins with; these double with each round trip. Nothing is lost.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What one connection sends before the next one's turn.
const TURN_BYTES: usize = 4 * 1024;

/// Ten segments (RFC 6928), and what the window grows to at most.
const FIRST_WINDOW_BYTES: usize = 10 * 1460;
const MAX_WINDOW_BYTES: usize = 1024 * 1024;

/// A timer may be so late: the line is not idle meanwhile.
const SLACK: Duration = Duration::from_millis(2);

/// A line: both ways are as wide, and as long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) round_trip: Duration,
    pub(crate) bytes_a_second: f64,
}

/// That of a desk: 10 Mbit/s and 40 ms.
pub(crate) const DESK: Line = Line {
    round_trip: Duration::from_millis(40),
    bytes_a_second: 10e6 / 8.0,
};

/// One way of a line.
struct Way {
    line: Line,
    /// Until when it is taken.
    taken: Mutex<Instant>,
}

impl Way {
    fn new(line: Line) -> Arc<Self> {
        Arc::new(Self {
            line,
            taken: Mutex::new(Instant::now()),
        })
    }

    /// Sends so many bytes: when the last of them has left.
    fn send(&self, bytes: usize, earliest: Instant) -> Instant {
        let takes = Duration::from_secs_f64(bytes as f64 / self.line.bytes_a_second);
        let mut taken = self.taken.lock().expect("no panic");
        *taken = taken.max(earliest) + takes;
        *taken
    }
}

/// Carries every connection to `listener` over `line` to `server`. Dropped, it takes no more; those that it has go on.
///
/// # Errors
/// If no connection can be accepted.
pub(crate) async fn carry_all(
    listener: TcpListener,
    server: SocketAddr,
    line: Line,
) -> io::Result<()> {
    let (up, down) = (Way::new(line), Way::new(line));
    loop {
        let (client, _) = listener.accept().await?;
        let (up, down) = (Arc::clone(&up), Arc::clone(&down));
        tokio::spawn(async move {
            let Ok(onward) = TcpStream::connect(server).await else {
                return;
            };
            let _ = (client.set_nodelay(true), onward.set_nodelay(true));
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = onward.into_split();
            let connected = Instant::now() + up.line.round_trip;
            tokio::spawn(carry(client_in, server_out, up, connected));
            carry(server_in, client_out, down, connected).await;
        });
    }
}

/// Carries one connection's bytes one way; nothing leaves before it is `connected`.
async fn carry(mut from: OwnedReadHalf, to: OwnedWriteHalf, way: Arc<Way>, connected: Instant) {
    let (on_the_way, arrivals) = mpsc::unbounded_channel();
    tokio::spawn(deliver(to, arrivals));
    let mut unconfirmed = VecDeque::<(Instant, usize)>::new();
    let (mut in_flight, mut window) = (0, FIRST_WINDOW_BYTES);
    let mut buffer = vec![0; TURN_BYTES];
    loop {
        while let Some((_, bytes)) = unconfirmed.pop_front_if(|(at, _)| *at <= Instant::now()) {
            in_flight -= bytes;
            window = (window + bytes).min(MAX_WINDOW_BYTES);
        }
        if in_flight >= window
            && let Some((at, _)) = unconfirmed.front()
        {
            sleep_until(*at).await;
            continue;
        }
        let most = TURN_BYTES.min(window - in_flight);
        let Ok(bytes @ 1..) = from.read(&mut buffer[..most]).await else {
            // The end goes the same way.
            return;
        };
        let left = way.send(bytes, connected.max(Instant::now()));
        in_flight += bytes;
        unconfirmed.push_back((left + way.line.round_trip, bytes));
        let arrives = left + way.line.round_trip / 2;
        if on_the_way
            .send((arrives, buffer[..bytes].to_vec()))
            .is_err()
        {
            return;
        }
        sleep_until(left - SLACK).await;
    }
}

async fn deliver(
    mut to: OwnedWriteHalf,
    mut arrivals: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((at, bytes)) = arrivals.recv().await {
        sleep_until(at).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
