//! The client's socket for hyper: counted, under deadlines, with interim responses between messages.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::metrics::Metrics;
use crate::metrics::requests::Stream;
use crate::process::{peer_loss, unsent};
use crate::state::client::Client;
use crate::upstream::receive_window;

/// How much of t3's response hyper holds for a client that takes nothing: what it reads and what it has
/// yet to write.
const BUFFERED_BYTES: usize = 512 * 1024;

/// Sets the options of a client's socket. Failing to costs latency or memory only. A client that has
/// gone is noticed after a `silence`, or when it has read nothing for `unanswered`.
pub fn prepare(stream: &TcpStream, silence: Duration, unanswered: Duration) {
    let _ = stream.set_nodelay(true);
    unsent::limit(stream, unsent::TO_CLIENT_BYTES);
    peer_loss::notice(stream, silence, unanswered);
}

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    stream: TcpStream,
    /// Has a body come on it?
    has_body: bool,
    client: Arc<Client>,
    metrics: Arc<Metrics>,
    /// Bytes that came before hyper had the socket, read first.
    early: Bytes,
    /// The part of the interim responses that is being written.
    writing: Vec<u8>,
    /// hyper has written everything so far: what it writes next begins a message.
    between_messages: bool,
}

impl ClientIo {
    /// Wraps the socket of `client`, on which `early` has come already; `metrics` is given what moves.
    pub fn new(
        stream: TcpStream,
        early: Bytes,
        client: Arc<Client>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            stream,
            has_body: false,
            client,
            early,
            metrics,
            writing: Vec::new(),
            between_messages: true,
        }
    }

    /// The bare socket, and the bytes that came before hyper had it and that hyper has not read.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.early)
    }

    /// Writes the interim responses that wait. In the middle of a message they are dropped: they are
    /// hints, and nothing may stand inside a message.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing.is_empty() {
            let waiting = self.client.interim.take();
            if self.between_messages {
                self.writing = waiting;
            }
        }
        while !self.writing.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.writing))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writing.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl ClientIo {
    fn note_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending => {
                self.client.deadlines.write_blocked();
                if !self.client.held.write_blocked(BUFFERED_BYTES) {
                    return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
                }
            }
            Poll::Ready(written) => {
                let written = *written.as_ref().unwrap_or(&0);
                self.client.deadlines.wrote(written);
                self.metrics.sent(Stream::Http, written as u64);
            }
        }
        polled
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let was_early = !self.early.is_empty();
        let polled = match self.early.len().min(buffer.remaining()) {
            0 => Pin::new(&mut self.stream).poll_read(cx, buffer),
            count => {
                buffer.put_slice(&self.early.split_to(count));
                Poll::Ready(Ok(()))
            }
        };
        match polled {
            Poll::Pending => self.client.deadlines.read_blocked(),
            Poll::Ready(_) => {
                let came = &buffer.filled()[before..];
                if !was_early {
                    self.metrics.received(Stream::Http, came.len() as u64);
                }
                let is_head = self.client.deadlines.read(came.len());
                if self.client.read(came, is_head).is_err() {
                    buffer.set_filled(before);
                    return match is_head {
                        // hyper is told of the end, and the refusal is the last response.
                        true => Poll::Ready(Ok(())),
                        false => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                    };
                }
                if !is_head && !std::mem::replace(&mut self.has_body, true) {
                    receive_window::bound(&self.stream);
                }
            }
        }
        polled
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.between_messages = false;
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.between_messages = false;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls this when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.between_messages = true;
        self.client.deadlines.flushed();
        self.client.held.flushed();
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.client.scan.refusal().is_some() {
            // The refusal is still to be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
