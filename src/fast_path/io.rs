//! The two ends of an exchange: what t3 says is heard, the client is told, and is listened to.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fast_path::splice::Pipe;
use crate::fast_path::{Lane, buffers};
use crate::metrics::Metrics;
use crate::metrics::requests::Stream;
use crate::state::deadlines::Activity;
use crate::upstream::error::Failure;

/// How much a client may send ahead of the answers to what it has sent.
const AHEAD_LIMIT: usize = 64 * 1024;

/// The connections to the client and to t3.
pub(super) struct Ends<'a> {
    pub(super) lane: &'a mut Lane,
    pub(super) activity: &'a Activity,
    pub(super) metrics: &'a Metrics,
    /// The connection to t3, until it is kept for another request.
    pub(super) upstream: Option<TcpStream>,
    /// When the head of the answer must be here.
    pub(super) due: Option<Instant>,
    /// The client has not taken everything, and its clock runs.
    pub(super) is_blocked: bool,
}

/// Why an exchange ended before its time.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client is gone, or the answer broke off.
    Midway,
    /// t3 is gone before it said anything.
    Silent,
    /// There is no answer, and nothing of one was sent to the client.
    Failed(Failure),
}

/// What came from t3.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Bytes,
    End,
}

impl Ends<'_> {
    /// Sends all of `onward` to t3.
    pub(super) async fn ask(&mut self, onward: &[u8]) -> Result<(), Broken> {
        let mut rest = onward;
        while !rest.is_empty() {
            let written = poll_fn(|cx| {
                let Some(upstream) = &mut self.upstream else {
                    return Poll::Ready(Err(Broken::Silent));
                };
                match Pin::new(upstream).poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(count)),
                    Poll::Ready(_) => Poll::Ready(Err(Broken::Silent)),
                    Poll::Pending => self.poll_waiting(cx),
                }
            });
            rest = &rest[written.await?..];
        }
        Ok(())
    }

    /// Reads up to `most` bytes from t3, behind what is in `said`. Holds no room for them before
    /// there are any: many requests may wait at once.
    pub(super) async fn hear(&mut self, said: &mut Vec<u8>, most: usize) -> Result<Heard, Broken> {
        poll_fn(|cx| {
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(Ok(Heard::End));
            };
            buffers::make_room(said, most);
            match pin!(upstream.read_buf(said)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(Heard::Bytes)),
                Poll::Ready(_) => Poll::Ready(Ok(Heard::End)),
                Poll::Pending => {
                    buffers::give_if_empty(said);
                    self.poll_waiting(cx)
                }
            }
        })
        .await
    }

    /// Takes up to `most` bytes from t3 into `pipe`; none at the end.
    pub(super) async fn fill(&mut self, pipe: &mut Pipe, most: u64) -> Result<usize, Broken> {
        poll_fn(|cx| {
            let Some(upstream) = &self.upstream else {
                return Poll::Ready(Ok(0));
            };
            match pipe.poll_fill(cx, upstream, most) {
                Poll::Ready(filled) => Poll::Ready(filled.map_err(|_| Broken::Midway)),
                Poll::Pending => self.poll_waiting(cx),
            }
        })
        .await
    }

    /// While t3 is waited for: a client that leaves ends the exchange, and so does the time.
    fn poll_waiting<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Broken>> {
        let Lane { stream, came } = &mut *self.lane;
        while came.len() < AHEAD_LIMIT {
            match pin!(stream.read_buf(came)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.activity.read(count);
                    self.metrics.received(Stream::Http, count as u64);
                }
                Poll::Ready(_) => return Poll::Ready(Err(Broken::Midway)),
                Poll::Pending => break,
            }
        }
        match self.due {
            Some(due) if Instant::now() >= due => {
                Poll::Ready(Err(Broken::Failed(Failure::ResponseTimeout)))
            }
            _ => Poll::Pending,
        }
    }

    /// Writes all of `bytes` to the client.
    pub(super) async fn tell(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| {
                let polled = Pin::new(&mut self.lane.stream).poll_write(cx, rest);
                self.note_blocked(polled)
            });
            let count = written.await.unwrap_or_default();
            rest = self.told(count).map(|()| &rest[count..])?;
        }
        self.flushed();
        Ok(())
    }

    /// Writes all that is in `pipe` to the client.
    pub(super) async fn drain(&mut self, pipe: &mut Pipe) -> Result<(), Broken> {
        while !pipe.is_empty() {
            let drained = poll_fn(|cx| {
                let polled = pipe.poll_drain(cx, &self.lane.stream);
                self.note_blocked(polled)
            });
            let count = drained.await.unwrap_or_default();
            self.told(count)?;
        }
        self.flushed();
        Ok(())
    }

    /// Starts the client's clock where it takes nothing; most take everything at once.
    fn note_blocked<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.is_blocked = true;
            self.activity.write_blocked();
            if self.due.is_none() {
                // t3 has answered: only the client is waited for.
                self.activity.expected();
            }
        }
        polled
    }

    fn flushed(&mut self) {
        if std::mem::take(&mut self.is_blocked) {
            self.activity.flushed();
        }
    }

    fn told(&self, count: usize) -> Result<(), Broken> {
        if self.is_blocked {
            self.activity.wrote(count);
        }
        self.metrics.sent(Stream::Http, count as u64);
        match count {
            0 => Err(Broken::Midway),
            _ => Ok(()),
        }
    }
}
