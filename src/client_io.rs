//! The client's socket as hyper sees it, with a way to say something before the answer.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{HeaderMap, StatusCode};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Interim answers (1xx, RFC 9110 §15.2) on their way to one client. hyper's server has no call
/// for them, so they are written beside it, between two of its messages.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    stream: TokioIo<TcpStream>,
    interim: Arc<Interim>,
    /// What of the interim answers is being written.
    writing: Vec<u8>,
    /// Everything hyper had to say so far has been written: what it says next begins a message.
    between_messages: bool,
}

impl Interim {
    /// Queues the head of an interim answer.
    pub fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let mut head = Vec::with_capacity(128);
        let reason = status.canonical_reason().unwrap_or_default();
        let _ = write!(head, "HTTP/1.1 {} {reason}\r\n", status.as_str());
        for (name, value) in headers {
            let _ = write!(head, "{name}: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.lock().extend_from_slice(&head);
        self.waiting.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<u8> {
        if self.waiting.swap(false, Ordering::Acquire) {
            std::mem::take(&mut *self.lock())
        } else {
            Vec::new()
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientIo {
    /// Wraps `stream`; what is pushed to `interim` is written between two messages.
    pub fn new(stream: TcpStream, interim: Arc<Interim>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            interim,
            writing: Vec::new(),
            between_messages: true,
        }
    }

    /// The bare socket.
    pub fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Writes the interim answers that wait. In the middle of a message they are dropped: they
    /// are hints, and nothing may stand inside a message.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing.is_empty() {
            let waiting = self.interim.take();
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

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.between_messages = false;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.between_messages = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls this when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.between_messages = true;
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
