//! The end of a tunnel: a close frame for the client at a frame's border, its own close for t3, and both go.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::metrics::upstream::TunnelEnd;
use crate::tunnel::direction::{Direction, LostSide};

/// How long both sides may take from the close that the client is sent, and where t3 is gone or the
/// session has died, from the moment when that is known.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How long it is waited for what follows a close without a code: where t3 stops, that is the raw bytes
/// of an HTTP response, in the same segment or the next (contract §7, §11).
const HOLD_TIME: Duration = Duration::from_millis(100);

/// How long it is waited for news of a t3 that has ended without a close: one that is gone is found to take
/// no connections, any other may have ended a client that broke the protocol.
const NEWS_TIME: Duration = Duration::from_millis(250);

/// The close codes of the dispatcher (RFC 6455 §7.4.1, and IANA's registry for 1012).
const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;
const SERVICE_RESTART: u16 = 1012;

/// What is behind the first byte of a close: none, and the code of a restart.
const NO_PAYLOAD: &[u8] = &[0];
const SERVICE_RESTART_PAYLOAD: [u8; 3] = [
    2,
    SERVICE_RESTART.to_be_bytes()[0],
    SERVICE_RESTART.to_be_bytes()[1],
];

/// A tunnel that is being closed.
#[derive(Debug)]
pub(super) struct Closing {
    /// How the tunnel ends.
    pub(super) cause: TunnelEnd,
    stage: Stage,
    /// May the client still speak to t3? Not where its session or its access has ended.
    passes_up: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A tunnel's sockets and directions, as its closing uses them.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    pub(super) client: &'a mut TcpStream,
    pub(super) upstream: &'a mut TcpStream,
    pub(super) up: &'a mut Direction,
    pub(super) down: &'a mut Direction,
}

/// How far a closing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What was read goes to the client, and the rest of the frame that is under way.
    ToBorder,
    /// t3 has sent a close without a code, whose last byte is held.
    Held,
    /// t3 has ended at a border, perhaps for what the client said.
    Lost,
    /// The end of the last frame goes to the client.
    Flush,
    /// Nothing else goes to the client, which has a close, unless t3 has left it without.
    Sent,
}

impl Closing {
    /// The dispatcher closes, by `cause`.
    pub(super) fn ordered(cause: TunnelEnd) -> Self {
        // A drain leaves a frame that is under way the time until the cut.
        let limit = (cause != TunnelEnd::Drained).then_some(CLOSE_TIME);
        Self::begun(cause, limit)
    }

    /// t3 has sent its close, and the client may take `patience` to take what comes before it; or t3 is
    /// gone.
    pub(super) fn by_t3(cause: TunnelEnd, down: &Direction, patience: Duration) -> Self {
        let has_closed = down.frames.is_closed() && !down.has_more;
        let limit = if has_closed { patience } else { CLOSE_TIME };
        Self::begun(cause, Some(limit))
    }

    fn begun(cause: TunnelEnd, limit: Option<Duration>) -> Self {
        Self {
            cause,
            stage: Stage::ToBorder,
            passes_up: !is_against_policy(cause),
            timer: limit.map(|limit| Box::pin(sleep(limit))),
        }
    }

    /// The dispatcher closes too, by `cause`. True if that changes what is to be done now.
    pub(super) fn order(&mut self, cause: TunnelEnd, down: &mut Direction) -> bool {
        self.passes_up &= !is_against_policy(cause);
        let is_lost = self.stage == Stage::Lost;
        if is_lost {
            self.append_close(down);
        }
        is_lost
    }

    /// Ready when both sides have ended, one is lost, or their time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut sides: Sides<'_>) -> Poll<()> {
        loop {
            let stage = self.stage;
            // First what the client says: by it is known whether it has closed.
            if self.poll_up(cx, &mut sides).is_ready() || self.poll_down(cx, &mut sides).is_ready()
            {
                return Poll::Ready(());
            }
            if self.stage == stage {
                let timer = self.timer.as_mut();
                if !timer.is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
                    return Poll::Pending;
                }
                match stage {
                    // Nothing follows: it is t3's own close.
                    Stage::Held => self.finish_frame(sides.down, NO_PAYLOAD),
                    Stage::Lost => self.go_on(Stage::Sent, CLOSE_TIME),
                    _ => return Poll::Ready(()),
                }
            }
        }
    }

    /// Moves what still goes to the client. Ready where nothing more can: the client is lost, or t3 in
    /// the middle of a frame.
    fn poll_down(&mut self, cx: &mut Context<'_>, sides: &mut Sides<'_>) -> Poll<()> {
        let Sides {
            client,
            upstream,
            up,
            down,
        } = sides;
        match self.stage {
            Stage::ToBorder => match down.poll_to_border(cx, upstream, client) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(())) => self.at_border(up, down),
            },
            Stage::Lost => Poll::Pending,
            Stage::Held => {
                let has_ended = down.poll_discard(cx, upstream).is_ready();
                if down.has_more {
                    self.restart(down);
                } else if has_ended {
                    self.finish_frame(down, NO_PAYLOAD);
                }
                Poll::Pending
            }
            Stage::Flush => match down.poll_pending(cx, client) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    self.go_on(Stage::Sent, CLOSE_TIME);
                    Poll::Pending
                }
            },
            Stage::Sent => {
                let is_t3_done = down.poll_discard(cx, upstream).is_ready();
                if is_t3_done || up.read_ended || up.frames.is_closed() {
                    // Nothing of the client's is waited for. The server is the first to end (RFC 6455
                    // §7.1.1), which fails only on a socket that is gone already.
                    let _ = Pin::new(&mut **client).poll_shutdown(cx);
                }
                match is_t3_done && up.read_ended {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }
        }
    }

    /// All that was read is with the client: decides how its last frame is to be. Ready if it can have
    /// none, as it speaks no WebSocket.
    fn at_border(&mut self, up: &Direction, down: &mut Direction) -> Poll<()> {
        let frames = down.frames;
        if frames.is_closed_without_code() {
            match (down.has_more, up.frames.is_closed()) {
                (true, false) => self.restart(down),
                // The reply to the client's own.
                (_, true) => self.finish_frame(down, NO_PAYLOAD),
                (false, false) => self.go_on(Stage::Held, HOLD_TIME),
            }
        } else if frames.is_closed() {
            self.go_on(Stage::Sent, CLOSE_TIME);
        } else if down.read_ended && (frames.missing() > 0 || up.frames.is_closed()) {
            // In the middle of a frame, or as the client asked for.
            self.go_on(Stage::Sent, CLOSE_TIME);
        } else if down.read_ended
            && !down.has_more
            && up.copied > 0
            && self.cause != TunnelEnd::Drained
        {
            self.go_on(Stage::Lost, NEWS_TIME);
        } else if frames.is_at_border() {
            self.append_close(down);
        } else {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn append_close(&mut self, down: &mut Direction) {
        let [high, low] = self.code().to_be_bytes();
        down.append(Bytes::copy_from_slice(&[0x88, 2, high, low]));
        self.stage = Stage::Flush;
    }

    /// Passes on what the client says, its own close too. Ready if the client is lost.
    fn poll_up(&mut self, cx: &mut Context<'_>, sides: &mut Sides<'_>) -> Poll<()> {
        if self.passes_up {
            match sides.up.poll(cx, sides.client, sides.upstream) {
                Poll::Ready(Err(LostSide::Source)) => return Poll::Ready(()),
                Poll::Ready(Err(LostSide::Sink)) => self.passes_up = false,
                _ => return Poll::Pending,
            }
        }
        let _ = sides.up.poll_discard(cx, sides.client);
        Poll::Pending
    }

    /// t3's close becomes that of a restart, which is what it meant.
    fn restart(&mut self, down: &mut Direction) {
        if self.cause == TunnelEnd::Graceful {
            self.cause = TunnelEnd::UpstreamClosed;
        }
        self.finish_frame(down, &SERVICE_RESTART_PAYLOAD);
    }

    /// Writes the last bytes of a frame to the client.
    fn finish_frame(&mut self, down: &mut Direction, bytes: &'static [u8]) {
        down.append(Bytes::from_static(bytes));
        self.go_on(Stage::Flush, CLOSE_TIME);
    }

    fn go_on(&mut self, stage: Stage, limit: Duration) {
        self.stage = stage;
        self.timer = Some(Box::pin(sleep(limit)));
    }

    fn code(&self) -> u16 {
        match self.cause {
            TunnelEnd::Drained => GOING_AWAY,
            cause if is_against_policy(cause) => POLICY_VIOLATION,
            _ => SERVICE_RESTART,
        }
    }
}

/// Does a tunnel end by `cause` as its client may not go on?
fn is_against_policy(cause: TunnelEnd) -> bool {
    matches!(cause, TunnelEnd::SessionEnded | TunnelEnd::AccessEnded)
}
