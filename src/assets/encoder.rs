//! The content codings (RFC 9110 §8.4.1) and their streaming encoders.

use std::io::{self, Read, Write};

use bytes::Bytes;
use http::HeaderValue;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// No coding.
    Identity,
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// The codings that compress, the one with the smallest bodies first.
    pub(super) const COMPRESSED: [Self; 3] = [Self::Br, Self::Zstd, Self::Gzip];

    /// The value of `Content-Encoding`; `None` for [`Coding::Identity`].
    pub(super) fn token(self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::Identity => return None,
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }))
    }
}

/// The `Accept-Encoding` that asks t3 for a body without a coding.
pub(super) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// How many bytes are encoded in one go: about 3 ms of the one thread that serves all clients.
pub(super) const PIECE_BYTES: usize = 32 * 1024;

/// The size of brotli's output buffer.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// The widest window of brotli. At the best setting it takes about 40 MiB with this one, of 2 MiB, and 70 MiB
/// with one of 4 MiB, which would save another 0.4 % of a script of 5.4 MB.
pub(super) const MAX_BROTLI_WINDOW_BITS: i32 = 21;

/// Nearly as small as brotli's 5, in a quarter of its time and in 7 MiB.
const ZSTD_LEVEL: i32 = 6;

/// Level 9 saves another 0.2 %.
const GZIP_LEVEL: u32 = 6;

/// How much time and memory an encoder may take. Only brotli has two settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Setting {
    /// A client waits.
    Fast,
    /// In the background.
    Best,
}

/// A coding at a setting: an encoder makes the same bytes of the same content each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) coding: Coding,
    pub(super) setting: Setting,
}

impl Form {
    /// No coding.
    pub(super) const IDENTITY: Self = Self::fast(Coding::Identity);

    /// gzip.
    pub(super) const GZIP: Self = Self::fast(Coding::Gzip);

    /// Brotli at its best setting.
    pub(super) const BEST_BR: Self = Self {
        coding: Coding::Br,
        setting: Setting::Best,
    };

    /// What background compression makes of each content, the quickest first.
    pub(super) const BACKGROUND: [Self; 2] = [Self::GZIP, Self::BEST_BR];

    /// Every form.
    pub(super) const ALL: [Self; 5] = [
        Self::IDENTITY,
        Self::BEST_BR,
        Self::fast(Coding::Br),
        Self::fast(Coding::Zstd),
        Self::GZIP,
    ];

    /// What is made while a client waits.
    pub(super) const fn fast(coding: Coding) -> Self {
        let setting = Setting::Fast;
        Self { coding, setting }
    }
}

/// The encoder of one body. What it has encoded stays in it until it is taken.
pub(super) enum Encoder {
    /// No coding.
    Identity(Vec<u8>),
    /// Brotli.
    Br(Box<brotli::CompressorWriter<Vec<u8>>>),
    /// Zstandard.
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    /// gzip.
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// An encoder for a body of `length` bytes, which makes `form` of it.
    pub(super) fn new(form: Form, length: u64) -> io::Result<Self> {
        let is_best = form.setting == Setting::Best;
        Ok(match form.coding {
            Coding::Identity => Self::Identity(Vec::new()),
            Coding::Br => {
                let parameters = brotli_parameters(is_best, length);
                let writer = brotli::CompressorWriter::with_params(
                    Vec::new(),
                    BROTLI_BUFFER_BYTES,
                    &parameters,
                );
                Self::Br(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                // Lets it take no more memory than the body needs.
                encoder.set_pledged_src_size(Some(length))?;
                Self::Zstd(encoder)
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level))
            }
        })
    }

    /// Encodes the next `piece` of the body.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Identity(out) => out.write_all(piece),
            Self::Br(writer) => writer.write_all(piece),
            Self::Zstd(encoder) => encoder.write_all(piece),
            Self::Gzip(encoder) => encoder.write_all(piece),
        }
    }

    /// Makes all that was written ready to be taken, at the cost of a few bytes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Identity(_) => Ok(()),
            Self::Br(writer) => writer.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }

    /// The encoded bytes since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Identity(out) => out,
            Self::Br(writer) => writer.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        std::mem::take(out).into()
    }

    /// Ends the body and returns its last encoded bytes.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Identity(out) => out,
            Self::Br(writer) => writer.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Gzip(encoder) => encoder.finish()?,
        }
        .into())
    }
}

/// Encodes `content` at the fast setting, and lets other tasks run between two pieces.
pub(super) async fn encode(coding: Coding, content: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(Form::fast(coding), content.len() as u64)?;
    for piece in content.chunks(PIECE_BYTES) {
        encoder.write(piece)?;
        tokio::task::yield_now().await;
    }
    encoder.finish()
}

/// The `length` bytes that `body` was made of, by gzip and here. Lets other tasks run between two
/// pieces.
pub(super) async fn decode_gzip(body: &[u8], length: u64) -> io::Result<Bytes> {
    let mut decoder = flate2::read::GzDecoder::new(body);
    let mut plain = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    loop {
        let mut piece = (&mut decoder).take(PIECE_BYTES as u64);
        if piece.read_to_end(&mut plain)? == 0 {
            return Ok(plain.into());
        }
        tokio::task::yield_now().await;
    }
}

fn brotli_parameters(is_best: bool, length: u64) -> brotli::enc::BrotliEncoderParams {
    let largest = if is_best { MAX_BROTLI_WINDOW_BITS } else { 20 };
    let needed = (u64::BITS - length.leading_zeros()) as i32;
    brotli::enc::BrotliEncoderParams {
        quality: if is_best { 11 } else { 5 },
        lgwin: needed.clamp(16, largest),
        size_hint: usize::try_from(length).unwrap_or(0),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_made_by_gzip_is_decoded() {
        let plain: Vec<u8> = (0..200_000_u32).map(|number| (number >> 7) as u8).collect();
        let body = encode(Coding::Gzip, &plain).await.expect("encoded");
        let length = plain.len() as u64;
        assert_eq!(decode_gzip(&body, length).await.expect("whole"), plain);
        assert!(decode_gzip(&body[..1000], length).await.is_err());
    }
}
