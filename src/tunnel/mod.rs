//! Two upgraded sockets copied until both are done: who ended it, how long it was, how many bytes.

pub mod direction;
pub mod registry;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::metrics::Metrics;
use crate::metrics::requests::Stream;
use crate::metrics::upstream::TunnelEnd;
use crate::tunnel::direction::{Direction, Lost};

/// How long one direction may stay open, with nothing moving, after the other has ended.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(30);

/// Two sockets that speak to each other, both directions, and who was the first to end. Small, as
/// it is idle most of its life: no buffer, and no timer before one side has ended.
#[derive(Debug)]
pub struct Tunnel {
    client: TcpStream,
    upstream: TcpStream,
    up: Direction,
    down: Direction,
    first: Option<TunnelEnd>,
    is_t3_gone: bool,
    start: Instant,
    patience: Option<Box<Patience>>,
}

/// One socket of a tunnel.
#[derive(Debug)]
pub struct Side {
    /// The socket.
    pub stream: TcpStream,
    /// Bytes already read from it, which come first.
    pub early: Bytes,
}

/// What a tunnel was, once it has ended.
#[derive(Debug)]
pub struct Report {
    /// Who ended it.
    pub cause: TunnelEnd,
    /// Was it t3 who ended it, without having been asked to?
    pub is_t3_gone: bool,
    /// From the 101 to the end of both sides.
    pub duration: Duration,
    /// Bytes from the client to t3.
    pub bytes_up: u64,
    /// Bytes from t3 to the client.
    pub bytes_down: u64,
}

/// How long the other side is waited for when one has ended.
#[derive(Debug)]
struct Patience {
    sleep: Pin<Box<Sleep>>,
    /// How many bytes had moved when it was last looked at.
    moved: u64,
}

impl Tunnel {
    /// Between the client, with what it sent behind its request, and t3, with what it sent behind
    /// its 101. `metrics` is told of its beginning.
    pub fn between(client: Side, upstream: Side, metrics: &Metrics) -> Self {
        metrics.tunnel_opened();
        Self {
            up: Direction::starting_with(&client.early),
            down: Direction::starting_with(&upstream.early),
            client: client.stream,
            upstream: upstream.stream,
            first: None,
            is_t3_gone: false,
            start: Instant::now(),
            patience: None,
        }
    }

    /// Copies both ways; ready when both sides are done or one is lost. A half-close is passed on;
    /// the loss of one side ends the other at once. `metrics` is told of every byte.
    pub fn poll(&mut self, cx: &mut Context<'_>, metrics: &Metrics) -> Poll<TunnelEnd> {
        if self.poll_copies(cx, metrics).is_pending()
            && (self.first.is_none() || self.poll_patience(cx).is_pending())
        {
            return Poll::Pending;
        }
        // A copy ends by one side or the other.
        Poll::Ready(self.first.unwrap_or(TunnelEnd::Graceful))
    }

    /// What it was, now that it has ended by `cause`, and `metrics` are told so.
    pub fn end(&self, cause: TunnelEnd, metrics: &Metrics) -> Report {
        let duration = self.start.elapsed();
        metrics.tunnel_ended(cause, duration);
        Report {
            cause,
            is_t3_gone: self.is_t3_gone,
            duration,
            bytes_up: self.up.copied,
            bytes_down: self.down.copied,
        }
    }

    /// Ready when nothing has moved for [`HALF_CLOSED_TIMEOUT`].
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let total = self.up.copied + self.down.copied;
        let patience = self.patience.get_or_insert_with(|| {
            let sleep = Box::pin(sleep(HALF_CLOSED_TIMEOUT));
            Box::new(Patience { sleep, moved: 0 })
        });
        while patience.sleep.as_mut().poll(cx).is_ready() {
            if std::mem::replace(&mut patience.moved, total) == total {
                return Poll::Ready(());
            }
            let later = tokio::time::Instant::now() + HALF_CLOSED_TIMEOUT;
            patience.sleep.as_mut().reset(later);
        }
        Poll::Pending
    }

    /// Moves what can be moved; ready when both directions are done or a side is lost.
    fn poll_copies(&mut self, cx: &mut Context<'_>, metrics: &Metrics) -> Poll<()> {
        let (had_up, had_down) = (self.up.copied, self.down.copied);
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        metrics.received(Stream::Tunnel, self.up.copied - had_up);
        metrics.sent(Stream::Tunnel, self.down.copied - had_down);
        let ended = match (&up, &down) {
            (Poll::Ready(Err(Lost::Source)), _) | (_, Poll::Ready(Err(Lost::Sink))) => {
                Some(TunnelEnd::DownstreamClosed)
            }
            (Poll::Ready(Err(Lost::Sink)), _) | (_, Poll::Ready(Err(Lost::Source))) => {
                Some(TunnelEnd::UpstreamClosed)
            }
            _ if self.up.read_ended => Some(TunnelEnd::DownstreamClosed),
            _ if self.down.read_ended => Some(TunnelEnd::UpstreamClosed),
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

    /// Notes that one side was the first to end; it may have said so before.
    fn ended(&mut self, by: TunnelEnd) -> TunnelEnd {
        let is_t3 = by == TunnelEnd::UpstreamClosed;
        // t3 answers a close by its own and by its end.
        self.is_t3_gone = is_t3 && !self.up.said_close;
        match if is_t3 { &self.down } else { &self.up }.said_close {
            true => TunnelEnd::Graceful,
            false => by,
        }
    }
}
