//! A request's body, read as a stream.

use std::io;

use bytes::Bytes;

use super::head::Head;
use super::wire::Wire;

/// The longest chunk-size line, and the most bytes of all trailer lines.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// How the body is delimited, and what is left of it (RFC 9112 §6, §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Done,
    Length(u64),
    ChunkSize,
    ChunkData(u64),
}

/// A request's body, partly read.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    pub(crate) is_chunked: bool,
    /// The trailer lines as received, each with its line end.
    pub(crate) trailers: Vec<u8>,
}

impl Body {
    /// `None` if the framing is ambiguous, which Node refuses with 400.
    pub(crate) fn of(head: &Head) -> Option<Body> {
        let mut framing = Framing::Done;
        for length in head.all("content-length") {
            let length = Framing::Length(length.parse().ok()?);
            if framing != Framing::Done && framing != length {
                return None;
            }
            framing = length;
        }
        let is_chunked = head.get("transfer-encoding").is_some();
        if is_chunked {
            let ends_chunked = head
                .all("transfer-encoding")
                .last()?
                .rsplit(',')
                .next()?
                .trim();
            if framing != Framing::Done || !ends_chunked.eq_ignore_ascii_case("chunked") {
                return None;
            }
            framing = Framing::ChunkSize;
        }
        Some(Body {
            framing,
            is_chunked,
            trailers: Vec::new(),
        })
    }

    /// No body: a body beside an Upgrade header is lost (contract §5).
    pub(crate) fn lost() -> Body {
        Body {
            framing: Framing::Done,
            is_chunked: false,
            trailers: Vec::new(),
        }
    }

    /// The declared length; `None` if it is chunked.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Done => Some(0),
            Framing::ChunkSize | Framing::ChunkData(_) => None,
        }
    }

    /// The next part of the body, or `None` at its end.
    pub(crate) async fn next(&mut self, wire: &mut Wire) -> io::Result<Option<Bytes>> {
        loop {
            match self.framing {
                Framing::Done | Framing::Length(0) => return Ok(None),
                Framing::Length(left) => {
                    let part = take(wire, left).await?;
                    self.framing = Framing::Length(left - part.len() as u64);
                    return Ok(Some(part));
                }
                Framing::ChunkSize => self.framing = self.chunk_size(wire).await?,
                Framing::ChunkData(0) => {
                    let end = line(wire).await?;
                    if !end.is_empty() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    self.framing = Framing::ChunkSize;
                }
                Framing::ChunkData(left) => {
                    let part = take(wire, left).await?;
                    self.framing = Framing::ChunkData(left - part.len() as u64);
                    return Ok(Some(part));
                }
            }
        }
    }

    async fn chunk_size(&mut self, wire: &mut Wire) -> io::Result<Framing> {
        let line = line(wire).await?;
        let digits = line
            .split(|&c| c == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let digits = std::str::from_utf8(digits).map_err(|_| io::ErrorKind::InvalidData)?;
        let size = u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size > 0 {
            return Ok(Framing::ChunkData(size));
        }
        loop {
            let trailer = self::line(wire).await?;
            if trailer.is_empty() {
                return Ok(Framing::Done);
            }
            if self.trailers.len() + trailer.len() > MAX_LINE_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.trailers.extend_from_slice(&trailer);
            self.trailers.extend_from_slice(b"\r\n");
        }
    }

    /// Reads the body to its end.
    pub(crate) async fn all(&mut self, wire: &mut Wire) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(part) = self.next(wire).await? {
            all.extend_from_slice(&part);
        }
        Ok(all)
    }

    /// Skips what is left, up to the next request.
    pub(crate) async fn skip(&mut self, wire: &mut Wire) -> io::Result<()> {
        while self.next(wire).await?.is_some() {}
        Ok(())
    }
}

async fn take(wire: &mut Wire, most: u64) -> io::Result<Bytes> {
    if wire.buffer.is_empty() {
        wire.fill().await?;
    }
    let length = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(wire.buffer.len());
    Ok(wire.buffer.split_to(length).freeze())
}

async fn line(wire: &mut Wire) -> io::Result<Bytes> {
    loop {
        if let Some(end) = wire.buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = wire.buffer.split_to(end + 2).freeze();
            return Ok(line.slice(..end));
        }
        if wire.buffer.len() > MAX_LINE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        wire.fill().await?;
    }
}
