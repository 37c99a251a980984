//! A tunnel: copies two upgraded sockets both ways until both are done, and reports how it ended.

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
use crate::tunnel::direction::{Direction, LostSide};

/// Two sockets and the copies in both directions. Small, as it is idle most of its life: no buffer,
/// and no timer before one side has ended.
#[derive(Debug)]
pub struct Tunnel {
    client: TcpStream,
    upstream: TcpStream,
    up: Direction,
    down: Direction,
    /// Which side was the first to end, once one has.
    first: Option<TunnelEnd>,
    is_t3_gone: bool,
    start: Instant,
    timer: Option<Box<HalfClosedTimer>>,
}

/// One socket of a tunnel.
#[derive(Debug)]
pub struct Side {
    /// The socket.
    pub stream: TcpStream,
    /// Bytes already read from it, which are copied first.
    pub early: Bytes,
}

/// A tunnel that has ended.
#[derive(Debug)]
pub struct TunnelReport {
    /// Who ended it.
    pub cause: TunnelEnd,
    /// t3 ended it without having been sent a WebSocket close.
    pub is_t3_gone: bool,
    /// From the 101 to the end of both sides.
    pub duration: Duration,
    /// Bytes from the client to t3.
    pub bytes_up: u64,
    /// Bytes from t3 to the client.
    pub bytes_down: u64,
}

/// Runs from the end of one side until the other one has been silent for too long.
#[derive(Debug)]
struct HalfClosedTimer {
    sleep: Pin<Box<Sleep>>,
    /// How many bytes had been copied when it was last set.
    copied: u64,
}

impl Tunnel {
    /// Opens a tunnel between the client, with what it sent behind its request, and t3, with what
    /// it sent behind its 101, and counts it in `metrics`.
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
            timer: None,
        }
    }

    /// Copies both ways, and counts the bytes in `metrics`. Ready when both sides are done or one
    /// is lost: a half-close is passed on, the loss of one side ends the other at once. So
    /// it is when one side is done and nothing has moved for `half_closed`.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        half_closed: Duration,
        metrics: &Metrics,
    ) -> Poll<TunnelEnd> {
        if self.poll_copies(cx, metrics).is_pending()
            && (self.first.is_none() || self.poll_timer(cx, half_closed).is_pending())
        {
            return Poll::Pending;
        }
        // A copy ends only by one of the sides, which `first` names then.
        Poll::Ready(self.first.unwrap_or(TunnelEnd::Graceful))
    }

    /// Counts the end of the tunnel by `cause` in `metrics`, and returns the report.
    pub fn end(&self, cause: TunnelEnd, metrics: &Metrics) -> TunnelReport {
        let duration = self.start.elapsed();
        metrics.tunnel_ended(cause, duration);
        TunnelReport {
            cause,
            is_t3_gone: self.is_t3_gone,
            duration,
            bytes_up: self.up.copied,
            bytes_down: self.down.copied,
        }
    }

    /// Ready when nothing has moved for `limit`.
    fn poll_timer(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let total = self.up.copied + self.down.copied;
        let timer = self.timer.get_or_insert_with(|| {
            let sleep = Box::pin(sleep(limit));
            Box::new(HalfClosedTimer {
                sleep,
                copied: total,
            })
        });
        while timer.sleep.as_mut().poll(cx).is_ready() {
            if std::mem::replace(&mut timer.copied, total) == total {
                return Poll::Ready(());
            }
            let later = tokio::time::Instant::now() + limit;
            timer.sleep.as_mut().reset(later);
        }
        Poll::Pending
    }

    /// Copies until both sockets would block. Ready when both directions are done or a side is
    /// lost.
    fn poll_copies(&mut self, cx: &mut Context<'_>, metrics: &Metrics) -> Poll<()> {
        let (had_up, had_down) = (self.up.copied, self.down.copied);
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        metrics.received(Stream::Tunnel, self.up.copied - had_up);
        metrics.sent(Stream::Tunnel, self.down.copied - had_down);
        let ended = match (&up, &down) {
            (Poll::Ready(Err(LostSide::Source)), _) | (_, Poll::Ready(Err(LostSide::Sink))) => {
                Some(TunnelEnd::DownstreamClosed)
            }
            (Poll::Ready(Err(LostSide::Sink)), _) | (_, Poll::Ready(Err(LostSide::Source))) => {
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

    /// How the tunnel ends if the side of `by` is the first to end: gracefully, if that side had
    /// sent a WebSocket close before.
    fn ended(&mut self, by: TunnelEnd) -> TunnelEnd {
        let is_t3 = by == TunnelEnd::UpstreamClosed;
        // After a close from the client, t3 replies with its own and ends too.
        self.is_t3_gone = is_t3 && !self.up.ended_with_close;
        match if is_t3 { &self.down } else { &self.up }.ended_with_close {
            true => TunnelEnd::Graceful,
            false => by,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (TcpStream, Side) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let peer = TcpStream::connect(addr).await.expect("a listener");
        let (stream, _) = listener.accept().await.expect("a connection");
        let early = Bytes::new();
        (peer, Side { stream, early })
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_closed_tunnel_ends_once_nothing_has_moved_for_its_timeout() {
        let metrics = Metrics::default();
        let ((mut client, near), (_t3, far)) = (connected().await, connected().await);
        let mut tunnel = Tunnel::between(near, far, &metrics);
        let limit = Duration::from_secs(30);
        let start = tokio::time::Instant::now();
        client.write_all(b"x").await.expect("an open socket");
        client.shutdown().await.expect("an open socket");
        let cause = poll_fn(|cx| tunnel.poll(cx, limit, &metrics)).await;
        assert_eq!(cause, TunnelEnd::DownstreamClosed);
        let waited = start.elapsed().as_secs();
        assert_eq!(waited, limit.as_secs());
    }
}
