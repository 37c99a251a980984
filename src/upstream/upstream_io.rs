//! A connection to t3 for hyper: what t3 has answered is read, though it takes no more of the request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::process::client_memory::ClientMemory;
use crate::upstream::socket::Socket;

/// A connection to t3.
///
/// t3 may answer and close while a request's body is still coming (413, 401), and what is written then
/// fails. hyper would report that and drop the answer, which waits to be read. So nothing is written
/// after a failure, hyper is told that it was, and the end is what reading finds: the answer, or none.
#[derive(Debug)]
pub(super) struct UpstreamIo {
    socket: Socket,
    memory: Arc<ClientMemory>,
    is_write_broken: bool,
}

impl UpstreamIo {
    /// Reads from `socket`, whose window grows as far as `memory` allows, and writes to it.
    pub(super) fn new(socket: Socket, memory: Arc<ClientMemory>) -> Self {
        Self {
            socket,
            memory,
            is_write_broken: false,
        }
    }

    /// Can nothing be written any more?
    pub(super) fn is_write_broken(&self) -> bool {
        self.is_write_broken
    }

    /// The bare connection.
    pub(super) fn into_inner(self) -> Socket {
        self.socket
    }

    /// Writes `length` bytes by `write`, or leaves them out.
    fn write(
        &mut self,
        length: usize,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if !self.is_write_broken {
            match ready!(write(Pin::new(&mut self.socket.stream))) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(_) => self.is_write_broken = true,
            }
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Self { socket, memory, .. } = &mut *self;
        let Socket { stream, window } = socket;
        ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
        window.moved(buffer.filled().len() - before, stream, memory);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(bytes.len(), |stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.write(length, |stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket.stream).poll_shutdown(cx)
    }
}
