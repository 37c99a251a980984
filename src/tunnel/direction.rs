//! One direction of a tunnel: bytes from one socket to the other, with no buffer while idle.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tunnel::close_frame::ends_with_close;

/// How much is read at once. On the stack of the copying call: an idle tunnel holds none.
const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks one direction moves before others get their turn.
const CHUNKS_A_TURN: usize = 16;

/// One direction: what was read but not yet written, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Direction {
    pending: Bytes,
    pub(super) copied: u64,
    pub(super) read_ended: bool,
    /// The last that was read was a WebSocket's own close.
    pub(super) said_close: bool,
    pub(super) done: bool,
}

/// Which end of a direction failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lost {
    Source,
    Sink,
}

impl Direction {
    pub(super) fn starting_with(early: &Bytes) -> Self {
        Self {
            // A part of a buffer, even an empty one, would keep all of it for the tunnel's life.
            pending: Bytes::copy_from_slice(early),
            ..Self::default()
        }
    }

    /// Copies from `source` to `sink` until one of them would block; ready at the end of it all.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), Lost>> {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..CHUNKS_A_TURN {
            ready!(self.poll_pending(cx, sink))?;
            if self.read_ended {
                // A socket that is gone already needs no end.
                let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_chunk(cx, source, sink))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what could not be written when it was read.
    fn poll_pending(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), Lost>> {
        while self.pending.has_remaining() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, &self.pending));
            let written = written.map_err(|_| Lost::Sink)?;
            self.pending.advance(written);
            self.copied += written as u64;
        }
        self.pending = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Reads once and writes what was read; keeps what the sink does not take yet.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), Lost>> {
        let mut space = [const { MaybeUninit::uninit() }; CHUNK_BYTES];
        let mut chunk = ReadBuf::uninit(&mut space);
        ready!(Pin::new(source).poll_read(cx, &mut chunk)).map_err(|_| Lost::Source)?;
        let chunk = chunk.filled();
        if chunk.is_empty() {
            self.read_ended = true;
            return Poll::Ready(Ok(()));
        }
        self.said_close = ends_with_close(chunk);
        let written = match Pin::new(sink).poll_write(cx, chunk) {
            Poll::Ready(written) => written.map_err(|_| Lost::Sink)?,
            Poll::Pending => 0,
        };
        self.copied += written as u64;
        if written < chunk.len() {
            self.pending = Bytes::copy_from_slice(&chunk[written..]);
        }
        Poll::Ready(Ok(()))
    }
}
