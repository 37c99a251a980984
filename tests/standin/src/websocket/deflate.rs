//! permessage-deflate (RFC 7692), with context takeover, around a library that does not know it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::socket::MAX_MESSAGE_BYTES;

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// The value of the response's `Sec-WebSocket-Extensions`.
    pub(super) answer: String,
    /// Each message sent, or received, stands alone.
    pub(super) resets_sent: bool,
    pub(super) resets_received: bool,
    /// The peer's window is smaller than the compressor's: messages are sent as they are, as §6 of the RFC allows.
    pub(super) sends_plain: bool,
}

/// What is left out at a message's end (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const FIRST_CONTROL_OPCODE: u8 = 8;
const MASKED: u8 = 0x80;

/// The room for each read, and for each step of compression.
const STEP_BYTES: usize = 64 * 1024;

/// Compresses the messages that are sent.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
    resets: bool,
}

impl Deflater {
    pub(super) fn new(deflate: &Deflate) -> Option<Deflater> {
        (!deflate.sends_plain).then(|| Deflater {
            compress: Compress::new(Compression::default(), false),
            resets: deflate.resets_sent,
        })
    }

    /// The message as one compressed frame; control messages stay as they are.
    pub(super) fn message(&mut self, message: Message) -> Message {
        let (opcode, payload) = match message {
            Message::Text(text) => (Data::Text, Bytes::from(text)),
            Message::Binary(bytes) => (Data::Binary, bytes),
            control => return control,
        };
        let header = FrameHeader {
            rsv1: true,
            opcode: OpCode::Data(opcode),
            ..FrameHeader::default()
        };
        Message::Frame(Frame::from_payload(
            header,
            self.compressed(&payload).into(),
        ))
    }

    fn compressed(&mut self, payload: &[u8]) -> Vec<u8> {
        if self.resets {
            self.compress.reset();
        }
        let mut out = Vec::new();
        let before = self.compress.total_in();
        loop {
            out.reserve(STEP_BYTES);
            let taken = (self.compress.total_in() - before) as usize;
            let step = self
                .compress
                .compress_vec(&payload[taken..], &mut out, FlushCompress::Sync);
            step.expect("a compressor takes any bytes");
            if out.len() < out.capacity() {
                break;
            }
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        out
    }
}

/// Reads a client's frames, and gives compressed messages as if they had been sent plain.
pub(super) struct Inflated<R> {
    inner: R,
    /// What was received and not yet passed on; what may be read.
    received: BytesMut,
    plain: BytesMut,
    decompress: Decompress,
    resets: bool,
    /// The compressed message under way: its opcode, and its payload so far.
    message: Option<(u8, Vec<u8>)>,
}

impl<R: AsyncRead + Unpin> Inflated<R> {
    pub(super) fn new(inner: R, received: BytesMut, deflate: &Deflate) -> Inflated<R> {
        Inflated {
            inner,
            received,
            plain: BytesMut::new(),
            decompress: Decompress::new(false),
            resets: deflate.resets_received,
            message: None,
        }
    }

    /// Passes one whole frame on, if one is here.
    fn step(&mut self) -> io::Result<bool> {
        let Some(header) = Header::of(&self.received) else {
            return Ok(false);
        };
        if header.length > MAX_MESSAGE_BYTES {
            // What the library refuses by its length is not waited for.
            self.plain.unsplit(self.received.split());
            return Ok(true);
        }
        if self.received.len() < header.bytes + header.length {
            return Ok(false);
        }
        let frame = self.received.split_to(header.bytes + header.length);
        let is_control = header.opcode() >= FIRST_CONTROL_OPCODE;
        if !is_control && header.first & RSV1 != 0 {
            self.message = Some((header.opcode(), Vec::new()));
        }
        let Some((opcode, mut message)) = (if is_control {
            None
        } else {
            self.message.take()
        }) else {
            self.plain.unsplit(frame);
            return Ok(true);
        };
        let key = header.key.unwrap_or_default();
        let payload = frame[header.bytes..].iter().zip(key.iter().cycle());
        message.extend(payload.map(|(byte, key)| byte ^ key));
        if header.first & FIN == 0 {
            self.message = Some((opcode, message));
        } else {
            self.pass_on(opcode, message)?;
        }
        Ok(true)
    }

    /// One frame with the whole message, masked by zeros.
    fn pass_on(&mut self, opcode: u8, mut message: Vec<u8>) -> io::Result<()> {
        message.extend_from_slice(&TAIL);
        let payload = self.decompressed(&message)?;
        self.plain.put_u8(FIN | opcode);
        self.plain.put_u8(MASKED | 127);
        self.plain.put_u64(payload.len() as u64);
        self.plain.put_u32(0);
        self.plain.put_slice(&payload);
        Ok(())
    }

    fn decompressed(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        if self.resets {
            self.decompress.reset(false);
        }
        let mut out = Vec::new();
        let before = self.decompress.total_in();
        // One byte more than is allowed, for the library to refuse.
        while out.len() <= MAX_MESSAGE_BYTES {
            out.reserve(STEP_BYTES);
            let taken = (self.decompress.total_in() - before) as usize;
            self.decompress
                .decompress_vec(&message[taken..], &mut out, FlushDecompress::Sync)
                .map_err(io::Error::other)?;
            if out.len() < out.capacity() {
                break;
            }
        }
        Ok(out)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inflated<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.plain.is_empty() {
            if this.step()? {
                continue;
            }
            let mut room = [0; STEP_BYTES];
            let mut read = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.received.extend_from_slice(read.filled());
        }
        let length = this.plain.len().min(buf.remaining());
        buf.put_slice(&this.plain[..length]);
        this.plain.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// A frame's header (RFC 6455 §5.2).
struct Header {
    first: u8,
    key: Option<[u8; 4]>,
    /// Of the header itself, and of the payload.
    bytes: usize,
    length: usize,
}

impl Header {
    /// `None` until all of it is here.
    fn of(received: &[u8]) -> Option<Header> {
        let (first, second) = (*received.first()?, *received.get(1)?);
        let (length, bytes) = match second & !MASKED {
            126 => (
                u64::from(u16::from_be_bytes(*received.get(2..)?.first_chunk()?)),
                4,
            ),
            127 => (u64::from_be_bytes(*received.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let key = match second & MASKED {
            0 => None,
            _ => Some(*received.get(bytes..)?.first_chunk()?),
        };
        Some(Header {
            first,
            key,
            bytes: bytes + key.map_or(0, |key: [u8; 4]| key.len()),
            length: usize::try_from(length).unwrap_or(usize::MAX),
        })
    }

    fn opcode(&self) -> u8 {
        self.first & OPCODE
    }
}
