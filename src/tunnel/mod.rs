//! A tunnel: copies two upgraded sockets both ways until both are done, and reports how it ended.

pub mod closing;
pub mod direction;
pub mod frames;
pub mod record;
pub mod registry;
pub mod session;
pub mod upstream_watch;

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
use crate::tunnel::closing::{Closing, Sides};
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
    closing: Option<Box<Closing>>,
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
            up: Direction::up(&client.early),
            down: Direction::down(&upstream.early),
            client: client.stream,
            upstream: upstream.stream,
            first: None,
            is_t3_gone: false,
            start: Instant::now(),
            timer: None,
            closing: None,
        }
    }

    /// Closes the tunnel by `cause`: the client gets a close behind the frame that is under way. True if
    /// that changes what is to be done now.
    pub fn close(&mut self, cause: TunnelEnd) -> bool {
        let is_new = self.closing.is_none();
        let closing = self
            .closing
            .get_or_insert_with(|| Box::new(Closing::ordered(cause)));
        closing.order(cause, &mut self.down) || is_new
    }

    /// Has t3 ended without having been sent a WebSocket close? True once.
    pub fn take_t3_gone(&mut self) -> bool {
        std::mem::take(&mut self.is_t3_gone)
    }

    /// Does a side take nothing at the moment?
    pub fn is_stalled(&self) -> bool {
        self.up.is_stalled() || self.down.is_stalled()
    }

    /// Lets nothing wait in the kernel for a client that takes nothing, once this is dropped.
    pub fn reset_client(&self) {
        let _ = self.client.set_zero_linger();
    }

    /// How a tunnel ends that is not given the time to be closed.
    pub fn cut(&self) -> TunnelEnd {
        let closing = self.closing.as_ref();
        closing.map_or(TunnelEnd::Drained, |closing| closing.cause)
    }

    /// Copies both ways, and counts the bytes in `metrics`. Ready when both sides are done or one
    /// is lost: the client's half-close is passed on, its loss ends t3's side at once. So it is when it is
    /// done and nothing has moved for `half_closed`, and when the tunnel is closed.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        half_closed: Duration,
        metrics: &Metrics,
    ) -> Poll<TunnelEnd> {
        let (had_up, had_down) = (self.up.copied, self.down.copied);
        let ended = self.poll_uncounted(cx, half_closed);
        metrics.received(Stream::Tunnel, self.up.copied - had_up);
        metrics.sent(Stream::Tunnel, self.down.copied - had_down);
        ended
    }

    /// Counts the end of the tunnel by `cause` in `metrics`, and returns the report.
    pub fn end(&self, cause: TunnelEnd, metrics: &Metrics) -> TunnelReport {
        let duration = self.start.elapsed();
        metrics.tunnel_ended(cause, duration);
        TunnelReport {
            cause,
            duration,
            bytes_up: self.up.copied,
            bytes_down: self.down.copied,
        }
    }

    fn poll_uncounted(&mut self, cx: &mut Context<'_>, half_closed: Duration) -> Poll<TunnelEnd> {
        if self.closing.is_none() {
            if self.poll_copies(cx).is_ready() {
                // A copy ends only by one of the sides, which `first` names then.
                return Poll::Ready(self.first.unwrap_or(TunnelEnd::Graceful));
            }
            if self.down.is_stopped() {
                let cause = match self.first {
                    Some(cause) => cause,
                    None => self.ended(TunnelEnd::UpstreamClosed),
                };
                let closing = Closing::by_t3(cause, &self.down, half_closed);
                self.closing = Some(Box::new(closing));
            }
        }
        if let Some(closing) = &mut self.closing {
            let sides = Sides {
                client: &mut self.client,
                upstream: &mut self.upstream,
                up: &mut self.up,
                down: &mut self.down,
            };
            return closing.poll(cx, sides).map(|()| closing.cause);
        }
        match self.first {
            Some(cause) => self.poll_timer(cx, half_closed).map(|()| cause),
            None => Poll::Pending,
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

    /// Copies until both sockets would block. Ready when both directions are done or the client is lost.
    fn poll_copies(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        let is_client_lost = matches!(up, Poll::Ready(Err(LostSide::Source)))
            || matches!(down, Poll::Ready(Err(LostSide::Sink)));
        let is_t3_lost = matches!(up, Poll::Ready(Err(LostSide::Sink)))
            || matches!(down, Poll::Ready(Err(LostSide::Source)));
        // What t3 said before is read first.
        self.down.read_ended |= is_t3_lost;
        if self.first.is_none() {
            let by_client = is_client_lost || (self.up.read_ended && !is_t3_lost);
            self.first = match by_client {
                true => Some(self.ended(TunnelEnd::DownstreamClosed)),
                false if self.down.read_ended => Some(self.ended(TunnelEnd::UpstreamClosed)),
                false => None,
            };
        }
        let is_over = is_client_lost || (is_t3_lost && !self.down.is_stopped());
        match is_over || (self.up.done && self.down.done) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// How the tunnel ends if the side of `by` is the first to end: gracefully, if that side had
    /// sent a WebSocket close before.
    fn ended(&mut self, by: TunnelEnd) -> TunnelEnd {
        let is_t3 = by == TunnelEnd::UpstreamClosed;
        // After a close from the client, t3 replies with its own and ends too.
        self.is_t3_gone = is_t3 && !self.up.frames.is_closed();
        let side = if is_t3 { &self.down } else { &self.up };
        match side.frames.is_closed() && !side.has_more {
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
