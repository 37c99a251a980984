//! The content codings of a file's body.

use http::HeaderValue;

/// How a body is coded (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Those that compress, the one with the smallest bodies first.
    pub(super) const COMPRESSED: [Self; 3] = [Self::Br, Self::Zstd, Self::Gzip];

    /// Its name in `Content-Encoding`, which has none for [`Coding::Identity`].
    pub(super) fn token(self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::Identity => return None,
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }))
    }
}
