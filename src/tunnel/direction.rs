//! One direction of a tunnel: copies bytes from one socket to the other, without a buffer while idle.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tunnel::frames::Frames;

/// How much is read at once. On the stack of the copying call: an idle tunnel holds none.
const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks one direction copies before it yields to other tasks.
const CHUNKS_A_TURN: usize = 16;

/// One direction, with the bytes that were read and could not be written yet.
#[derive(Debug, Default)]
pub(super) struct Direction {
    pending: Bytes,
    /// How many bytes have been written.
    pub(super) copied: u64,
    /// The frames of what was read and is to be written.
    pub(super) frames: Frames,
    /// Only frames are copied: what is none, and what follows a close, is not.
    only_frames: bool,
    /// Something of that kind has come.
    pub(super) has_more: bool,
    /// The source has ended.
    pub(super) read_ended: bool,
    /// The sink has been shut down.
    pub(super) done: bool,
}

/// Which socket of a direction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostSide {
    Source,
    Sink,
}

impl Direction {
    /// From the client to t3, beginning with bytes that were already read. Copies whatever comes.
    pub(super) fn up(early: &[u8]) -> Self {
        Self::starting_with(early, false)
    }

    /// From t3 to the client. It stops behind t3's close, and before what is no frame; of a close without
    /// a code the last byte is left to be appended.
    pub(super) fn down(early: &[u8]) -> Self {
        Self::starting_with(early, true)
    }

    fn starting_with(early: &[u8], only_frames: bool) -> Self {
        let mut direction = Self {
            only_frames,
            ..Self::default()
        };
        let count = direction.follow(early);
        // A slice of the request's buffer, even an empty one, would keep the whole buffer alive.
        direction.pending = Bytes::copy_from_slice(&early[..count]);
        direction
    }

    /// Does something wait for a sink that takes nothing?
    pub(super) fn is_stalled(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Copies from `source` to `sink` until one of them would block. Ready when `source` has ended
    /// and `sink` has been shut down.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), LostSide>> {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..CHUNKS_A_TURN {
            ready!(self.poll_pending(cx, sink))?;
            if self.is_stopped() {
                return Poll::Pending;
            }
            if self.read_ended {
                // It fails only on a socket that is gone already.
                let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_chunk(cx, source, sink, CHUNK_BYTES))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Copies the rest of the frame that is under way. Ready at its end, or where none will come.
    pub(super) fn poll_to_border(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), LostSide>> {
        for _ in 0..CHUNKS_A_TURN {
            ready!(self.poll_pending(cx, sink))?;
            if self.read_ended || self.frames.missing() == 0 {
                return Poll::Ready(Ok(()));
            }
            let most = usize::try_from(self.frames.missing()).unwrap_or(CHUNK_BYTES);
            ready!(self.poll_chunk(cx, source, sink, most))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads what comes, and drops it. Ready when `source` has ended.
    pub(super) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
    ) -> Poll<()> {
        for _ in 0..CHUNKS_A_TURN {
            if self.read_ended {
                return Poll::Ready(());
            }
            let mut space = [const { MaybeUninit::uninit() }; CHUNK_BYTES];
            let mut chunk = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut *source).poll_read(cx, &mut chunk));
            self.read_ended = read.is_err() || chunk.filled().is_empty();
            self.follow(chunk.filled());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does nothing more come of `source`, as t3 has closed, or sends what is no frame?
    pub(super) fn is_stopped(&self) -> bool {
        self.only_frames
            && (self.frames.is_over() || (self.read_ended && !self.frames.is_unframed()))
    }

    /// Writes `bytes` behind all that was read.
    pub(super) fn append(&mut self, bytes: Bytes) {
        debug_assert!(self.pending.is_empty(), "it was flushed");
        self.pending = bytes;
    }

    /// Writes the bytes that could not be written when they were read.
    pub(super) fn poll_pending(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), LostSide>> {
        while self.pending.has_remaining() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, &self.pending));
            let written = written.map_err(|_| LostSide::Sink)?;
            self.pending.advance(written);
            self.copied += written as u64;
        }
        self.pending = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Reads once, writes what was read, and keeps the bytes that the sink does not accept yet.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        most: usize,
    ) -> Poll<Result<(), LostSide>> {
        let mut space = [const { MaybeUninit::uninit() }; CHUNK_BYTES];
        let mut chunk = ReadBuf::uninit(&mut space[..most.min(CHUNK_BYTES)]);
        ready!(Pin::new(source).poll_read(cx, &mut chunk)).map_err(|_| LostSide::Source)?;
        let chunk = chunk.filled();
        if chunk.is_empty() {
            self.read_ended = true;
            return Poll::Ready(Ok(()));
        }
        let count = self.follow(chunk);
        let chunk = &chunk[..count];
        let written = match Pin::new(sink).poll_write(cx, chunk) {
            Poll::Ready(written) => written.map_err(|_| LostSide::Sink)?,
            Poll::Pending => 0,
        };
        self.copied += written as u64;
        if written < chunk.len() {
            self.pending = Bytes::copy_from_slice(&chunk[written..]);
        }
        Poll::Ready(Ok(()))
    }

    /// Follows the frames of `chunk`; returns how many of its bytes are to be copied.
    fn follow(&mut self, chunk: &[u8]) -> usize {
        let count = self.frames.follow(chunk);
        self.has_more |= count < chunk.len();
        match self.only_frames {
            // The last byte of such a close is written once it is known what follows it.
            true if count > 0 && self.frames.is_closed_without_code() => count - 1,
            true => count,
            false => chunk.len(),
        }
    }
}
