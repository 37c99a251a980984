//! The reads and writes of an exchange: to and from t3, and to the client, which is watched meanwhile.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Instant;

use crate::fast_path::splice::Pipe;
use crate::fast_path::{ClientConnection, buffers};
use crate::metrics::Metrics;
use crate::metrics::requests::Stream;
use crate::process::unsent;
use crate::state::deadlines::Deadlines;
use crate::state::held_memory::HeldMemory;
use crate::upstream::error::Failure;
use crate::upstream::socket::Socket;

/// How much of a longer response is read at a time.
pub(super) const RELAY_BYTES: usize = 64 * 1024;

/// How much a client may send ahead of the responses to what it has sent.
const AHEAD_LIMIT_BYTES: usize = 8 * 1024;

/// The connections of an exchange.
pub(super) struct ExchangeIo<'a> {
    pub(super) connection: &'a mut ClientConnection,
    pub(super) deadlines: &'a Deadlines,
    pub(super) held: &'a HeldMemory,
    pub(super) metrics: &'a Metrics,
    /// The connection to t3, until it is kept for another request.
    pub(super) upstream: Option<Socket>,
    /// Ready once t3 is known never to respond on that connection; none if it cannot be so.
    pub(super) lost: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    /// When the head of the response must be here; none once it is.
    pub(super) response_due: Option<Instant>,
    /// t3 was waited for: from then on that time may have passed.
    pub(super) has_waited: bool,
    /// The client has not taken everything, and its deadline runs.
    pub(super) is_blocked: bool,
}

/// Why an exchange ended early.
#[derive(Debug)]
pub(super) enum ExchangeFailure {
    /// The client is gone, or the response broke off.
    Aborted,
    /// The connection to t3 failed in the middle of a response, or the client does not take it.
    Broken,
    /// t3 closed the connection before it sent a byte, or has lost what was sent on it.
    EmptyReply,
    /// There is no response, and nothing of one was sent to the client.
    Failed(Failure),
}

/// What a read from t3 gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Bytes,
    End,
    Error,
}

impl ExchangeIo<'_> {
    /// Writes all of `bytes` to t3.
    pub(super) async fn write_upstream(&mut self, bytes: &[u8]) -> Result<(), ExchangeFailure> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| {
                let Some(upstream) = &mut self.upstream else {
                    return Poll::Ready(Err(ExchangeFailure::EmptyReply));
                };
                match Pin::new(&mut upstream.stream).poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(count)),
                    Poll::Ready(_) => Poll::Ready(Err(ExchangeFailure::EmptyReply)),
                    Poll::Pending => self.poll_waiting(cx),
                }
            });
            rest = &rest[written.await?..];
        }
        Ok(())
    }

    /// Reads up to `most` bytes from t3 to the end of `received`. Holds no room for them before there
    /// are any: many requests may wait at once.
    pub(super) async fn read_upstream(
        &mut self,
        received: &mut Vec<u8>,
        most: usize,
    ) -> Result<Received, ExchangeFailure> {
        poll_fn(|cx| {
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(Ok(Received::End));
            };
            buffers::make_room(received, most);
            match pin!(upstream.stream.read_buf(received)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(Received::Bytes)),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(Received::End)),
                Poll::Ready(Err(_)) => Poll::Ready(Ok(Received::Error)),
                Poll::Pending => {
                    buffers::give_if_empty(received);
                    self.poll_waiting(cx)
                }
            }
        })
        .await
    }

    /// The head of the response is here: it is not waited for any more.
    pub(super) fn responded(&mut self) {
        self.response_due = None;
        self.lost = None;
    }

    /// Moves up to `most` bytes from t3 into `pipe`; none at the end.
    pub(super) async fn fill(
        &mut self,
        pipe: &mut Pipe,
        most: u64,
    ) -> Result<usize, ExchangeFailure> {
        poll_fn(|cx| {
            let Some(upstream) = &self.upstream else {
                return Poll::Ready(Ok(0));
            };
            match pipe.poll_fill(cx, &upstream.stream, most) {
                Poll::Ready(filled) => Poll::Ready(filled.map_err(|_| ExchangeFailure::Aborted)),
                Poll::Pending => self.poll_waiting(cx),
            }
        })
        .await
    }

    /// While t3 is waited for: a client that leaves ends the exchange, and so does the deadline.
    fn poll_waiting<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ExchangeFailure>> {
        let ClientConnection { stream, unread } = &mut *self.connection;
        while unread.len() < AHEAD_LIMIT_BYTES {
            match pin!(stream.read_buf(unread)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.deadlines.read(count);
                    self.metrics.received(Stream::Http, count as u64);
                }
                Poll::Ready(_) => return Poll::Ready(Err(ExchangeFailure::Aborted)),
                Poll::Pending => break,
            }
        }
        if let Some(lost) = &mut self.lost
            && lost.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(ExchangeFailure::EmptyReply));
        }
        let may_be_over = std::mem::replace(&mut self.has_waited, true);
        match self.response_due.filter(|_| may_be_over) {
            Some(due) if Instant::now() >= due => {
                Poll::Ready(Err(ExchangeFailure::Failed(Failure::ResponseTimeout)))
            }
            _ => Poll::Pending,
        }
    }

    /// Writes all of `bytes` to the client.
    pub(super) async fn write_client(&mut self, bytes: &[u8]) -> Result<(), ExchangeFailure> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| {
                let polled = Pin::new(&mut self.connection.stream).poll_write(cx, rest);
                self.note_blocked(polled, RELAY_BYTES)
            });
            let count = written.await.unwrap_or_default();
            self.note_written(count)?;
            self.note_moved(count);
            rest = &rest[count..];
        }
        self.note_flushed();
        Ok(())
    }

    /// Writes all that is in `pipe` to the client; `left` bytes come behind it.
    pub(super) async fn drain(
        &mut self,
        pipe: &mut Pipe,
        left: u64,
    ) -> Result<(), ExchangeFailure> {
        while !pipe.is_empty() {
            let drained = poll_fn(|cx| {
                let polled = pipe.poll_drain(cx, &self.connection.stream);
                self.note_blocked(polled, pipe.held_bytes())
            });
            let count = drained.await.unwrap_or_default();
            self.note_written(count)?;
            self.note_moved(count);
            if self.has_grown() {
                pipe.grow();
            }
        }
        let is_quick = self.has_grown() && left > u64::from(unsent::TO_QUICK_CLIENT_BYTES);
        pipe.let_wait(&self.connection.stream, is_quick);
        self.note_flushed();
        Ok(())
    }

    /// Starts the client's deadline where it takes nothing, and `buffered` bytes of the response are held for it;
    /// most take everything at once.
    fn note_blocked(
        &mut self,
        polled: Poll<io::Result<usize>>,
        buffered: usize,
    ) -> Poll<io::Result<usize>> {
        if polled.is_pending() {
            // Of the response, behind an interim one that the client does not take.
            if self.response_due.is_some_and(|due| Instant::now() >= due) {
                return Poll::Ready(Ok(0));
            }
            self.is_blocked = true;
            self.deadlines.write_blocked();
            if self.response_due.is_none() {
                // t3 has responded: only the client is waited for.
                self.deadlines.response_started();
            }
            self.held.response_is(true, 0);
            // The share of a window that has grown covers what its client does not take.
            if !self.has_grown() && !self.held.write_blocked(buffered) {
                return Poll::Ready(Ok(0));
            }
        }
        polled
    }

    /// The client took `count` bytes of what came from t3.
    fn note_moved(&mut self, count: usize) {
        if let Some(Socket { stream, window }) = &mut self.upstream {
            window.moved(count, stream, self.held.memory());
        }
    }

    /// Has the window of what is still to come grown?
    fn has_grown(&self) -> bool {
        self.upstream
            .as_ref()
            .is_some_and(|upstream| upstream.window.has_grown())
    }

    fn note_flushed(&mut self) {
        if std::mem::take(&mut self.is_blocked) {
            self.deadlines.flushed();
            self.held.flushed();
        }
    }

    fn note_written(&self, count: usize) -> Result<(), ExchangeFailure> {
        if self.is_blocked {
            self.deadlines.wrote(count);
        }
        self.metrics.sent(Stream::Http, count as u64);
        match count {
            // What waits for it in the kernel goes, too.
            0 => Err(ExchangeFailure::Broken),
            _ => Ok(()),
        }
    }
}
