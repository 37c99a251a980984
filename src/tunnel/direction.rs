//! One direction of a tunnel: bytes from one socket to the other, with no buffer while idle.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once. On the stack of the copying call: an idle tunnel holds none.
const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks one direction moves before others get their turn.
const CHUNKS_A_TURN: usize = 16;

/// The byte that a close begins with: a whole control frame of opcode 8 (RFC 6455 §5.2).
const CLOSE: u8 = 0x88;

/// How many bytes of payload a control frame has at most (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

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

/// Is the last frame of `chunk`, what one read gave, a close? Its frames are counted off from its
/// start: in a read that begins in the middle of a frame none is found.
fn ends_with_close(chunk: &[u8]) -> bool {
    let mut rest = chunk;
    loop {
        let Some(length) = frame_length(rest) else {
            return false;
        };
        if length >= rest.len() {
            let is_control = usize::from(rest[1] & 0x7f) <= CONTROL_BYTES;
            return length == rest.len() && rest[0] == CLOSE && is_control;
        }
        rest = &rest[length..];
    }
}

/// How many bytes the frame at the start of `bytes` has, its head included (RFC 6455 §5.2).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let masked = match bytes.get(1)? & 0x80 {
        0 => 0,
        _ => 4,
    };
    let (head, payload) = match bytes[1] & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        length => (2, length.into()),
    };
    usize::checked_add(head + masked, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_found_at_the_end_and_only_there() {
        let text = [0x81, 0x02, b'h', b'i'];
        let masked = [0x81, 0x82, 1, 2, 3, 4, b'h', b'i'];
        let long = [&[0x82, 126, 0x01, 0x00][..], &[0x88; 256]].concat();
        let huge = [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for (chunk, expected) in [
            (&[][..], false),
            (&[0x88], false),
            (&[0x88, 0x00], true),
            (&[0x88, 0x02, 0x03, 0xe8], true),
            (&[0x88, 0x82, 1, 2, 3, 4, 5, 6], true),
            (&[0x88, 0x82, 1, 2, 3, 4, 5], false),
            (&text, false),
            (&[&text[..], &[0x88, 0x00]].concat(), true),
            (&[&masked[..], &[0x88, 0x80, 1, 2, 3, 4]].concat(), true),
            (&[&long[..], &[0x88, 0x00]].concat(), true),
            (&long, false),
            (&[&[0x88, 0x00][..], &text].concat(), false),
            (&[&[0x88, 0x00][..], b"HTTP/1.1 503"].concat(), false),
            (&huge, false),
            (&[&[0x88, 126, 0, 1][..], b"x"].concat(), false),
        ] {
            assert_eq!(ends_with_close(chunk), expected, "{chunk:02x?}");
        }
    }
}
