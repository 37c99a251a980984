//! One direction of a tunnel: copies bytes from one socket to the other, without a buffer while idle.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once. On the stack of the copying call: an idle tunnel holds none.
const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks one direction copies before it yields to other tasks.
const CHUNKS_A_TURN: usize = 16;

/// The first byte of a close: an unfragmented control frame of opcode 8 (RFC 6455 §5.2).
const CLOSE: u8 = 0x88;

/// The maximum payload of a control frame (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// One direction, with the bytes that were read and could not be written yet.
#[derive(Debug, Default)]
pub(super) struct Direction {
    pending: Bytes,
    /// How many bytes have been written.
    pub(super) copied: u64,
    /// The source has ended.
    pub(super) read_ended: bool,
    /// The last frame that was read is a WebSocket close.
    pub(super) ended_with_close: bool,
    /// The sink has been shut down.
    pub(super) done: bool,
}

/// Which socket of a direction failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum LostSide {
    Source,
    Sink,
}

impl Direction {
    /// A direction that begins with bytes that were already read.
    pub(super) fn starting_with(early: &Bytes) -> Self {
        Self {
            // A slice of the request's buffer, even an empty one, would keep the whole buffer
            // alive.
            pending: Bytes::copy_from_slice(early),
            ..Self::default()
        }
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
            if self.read_ended {
                // It fails only on a socket that is gone already.
                let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_chunk(cx, source, sink))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes the bytes that could not be written when they were read.
    fn poll_pending(
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
    ) -> Poll<Result<(), LostSide>> {
        let mut space = [const { MaybeUninit::uninit() }; CHUNK_BYTES];
        let mut chunk = ReadBuf::uninit(&mut space);
        ready!(Pin::new(source).poll_read(cx, &mut chunk)).map_err(|_| LostSide::Source)?;
        let chunk = chunk.filled();
        if chunk.is_empty() {
            self.read_ended = true;
            return Poll::Ready(Ok(()));
        }
        self.ended_with_close = ends_with_close(chunk);
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
}

/// Is the last frame of `chunk`, the bytes of one read, a close? Frames are counted from its start:
/// in a read that begins in the middle of a frame, no close is found.
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
