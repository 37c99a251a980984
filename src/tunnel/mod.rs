//! Two upgraded sockets copied until both are done: who ended it, how long it was, how many bytes.

mod closing;
mod direction;
mod report;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use self::direction::{Direction, Lost};
pub use self::report::{Cause, Report};
use crate::metrics::{Metrics, Stream};

/// How long one direction may stay open, with nothing moving, after the other has ended.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(30);

/// Two sockets that speak to each other from now on.
#[derive(Debug)]
pub struct Tunnel {
    /// The client, with what it sent behind its request.
    pub client: Side,
    /// t3, with what it sent behind its 101.
    pub upstream: Side,
    /// Told of its beginning, its end, and every byte.
    pub metrics: Arc<Metrics>,
}

/// One socket of a tunnel.
#[derive(Debug)]
pub struct Side {
    /// The socket.
    pub stream: TcpStream,
    /// Bytes already read from it, which come first.
    pub early: Bytes,
}

/// Both sockets, both directions, and who was the first to end.
#[derive(Debug)]
struct Copying {
    client: TcpStream,
    upstream: TcpStream,
    up: Direction,
    down: Direction,
    first: Option<Cause>,
    is_t3_gone: bool,
    metrics: Arc<Metrics>,
}

impl Tunnel {
    /// Copies both ways until both sides are done, one is lost, or `end` says why it is over. A
    /// half-close is passed on; the loss of one side ends the other at once.
    pub async fn run(self, end: impl Future<Output = Cause>) -> Report {
        let start = Instant::now();
        let mut copying = Copying::from(self);
        copying.metrics.tunnel_opened();
        let ended = tokio::select! {
            () = copying.run() => copying.first,
            cause = end => Some(cause),
        };
        // A copy ends by one side or the other.
        let cause = ended.unwrap_or(Cause::Graceful);
        let duration = start.elapsed();
        copying.metrics.tunnel_ended(cause.counted(), duration);
        Report {
            cause,
            is_t3_gone: copying.is_t3_gone,
            duration,
            bytes_up: copying.up.copied,
            bytes_down: copying.down.copied,
        }
    }
}

impl Copying {
    async fn run(&mut self) {
        let mut patience: Option<Pin<Box<Sleep>>> = None;
        let mut moved = 0;
        poll_fn(|cx| {
            if self.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.first.is_none() {
                return Poll::Pending;
            }
            let patience = patience.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED_TIMEOUT)));
            while patience.as_mut().poll(cx).is_ready() {
                let total = self.up.copied + self.down.copied;
                if std::mem::replace(&mut moved, total) == total {
                    return Poll::Ready(());
                }
                let later = tokio::time::Instant::now() + HALF_CLOSED_TIMEOUT;
                patience.as_mut().reset(later);
            }
            Poll::Pending
        })
        .await;
    }

    /// Moves what can be moved; ready when both directions are done or a side is lost.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (had_up, had_down) = (self.up.copied, self.down.copied);
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        self.metrics
            .received(Stream::Tunnel, self.up.copied - had_up);
        self.metrics
            .sent(Stream::Tunnel, self.down.copied - had_down);
        let ended = match (&up, &down) {
            (Poll::Ready(Err(Lost::Source)), _) | (_, Poll::Ready(Err(Lost::Sink))) => {
                Some(Cause::DownstreamClosed)
            }
            (Poll::Ready(Err(Lost::Sink)), _) | (_, Poll::Ready(Err(Lost::Source))) => {
                Some(Cause::UpstreamClosed)
            }
            _ if self.up.read_ended => Some(Cause::DownstreamClosed),
            _ if self.down.read_ended => Some(Cause::UpstreamClosed),
            _ => None,
        };
        if self.first.is_none() {
            self.first = ended.map(|by| self.ended(by));
        }
        match (up, down) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(()),
            _ if self.up.done && self.down.done => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Copying {
    /// Notes that one side was the first to end; it may have said so before.
    fn ended(&mut self, by: Cause) -> Cause {
        let is_t3 = by == Cause::UpstreamClosed;
        // t3 answers a close by its own and by its end.
        self.is_t3_gone = is_t3 && !self.up.said_close;
        match if is_t3 { &self.down } else { &self.up }.said_close {
            true => Cause::Graceful,
            false => by,
        }
    }
}

impl From<Tunnel> for Copying {
    fn from(tunnel: Tunnel) -> Self {
        Self {
            client: tunnel.client.stream,
            upstream: tunnel.upstream.stream,
            up: Direction::starting_with(tunnel.client.early),
            down: Direction::starting_with(tunnel.upstream.early),
            first: None,
            is_t3_gone: false,
            metrics: tunnel.metrics,
        }
    }
}
