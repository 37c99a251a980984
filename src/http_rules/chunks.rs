//! How far a chunked body has come, and where it ends (RFC 9112 §7.1). Pure.

use crate::http_rules::scan::is_text;

/// More digits than a chunk of 2^60 bytes has.
const MOST_DIGITS: u8 = 15;

/// How far a chunked body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// In a chunk's size, of which so many digits have come, leading zeros but the last one left out.
    Size {
        /// Of the size, so far.
        digits: u8,
        /// The size, so far.
        value: u64,
    },
    /// In the white space behind a chunk's size.
    Blank {
        /// The size.
        value: u64,
    },
    /// In a chunk's extension, which goes on as it is (RFC 9112 §7.1.1).
    Extension {
        /// The size.
        value: u64,
    },
    /// Behind the CR of a chunk's size.
    SizeEnd {
        /// The size.
        value: u64,
    },
    /// In a chunk.
    Data {
        /// Bytes before its end.
        left: u64,
    },
    /// Behind a chunk.
    DataEnd,
    /// Behind the CR there.
    DataEndLf,
    /// Behind the last chunk: the empty line that ends the body, or a trailer.
    Last,
    /// Behind the CR there.
    LastLf,
    /// All of it has come.
    Done,
    /// All of it has come but a trailer and the end, which are left out.
    Trailed,
}

/// The end of the body is ambiguous. What readers may understand differently is refused rather than
/// understood: a bare line feed, a control character in an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmbiguousEnd;

impl Chunks {
    /// Before the first chunk.
    pub const START: Self = Self::Size {
        digits: 0,
        value: 0,
    };

    /// Follows `bytes` and returns how many of them are of this body.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, AmbiguousEnd> {
        let mut at = 0;
        while at < bytes.len() && !matches!(self, Self::Done | Self::Trailed) {
            if let Self::Data { left } = *self {
                let here = left.min((bytes.len() - at) as u64);
                at += here as usize;
                *self = match left - here {
                    0 => Self::DataEnd,
                    left => Self::Data { left },
                };
            } else if *self == Self::Last && !matches!(bytes[at], b'\r' | b'\n') {
                *self = Self::Trailed;
            } else {
                *self = self.after(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn after(self, byte: u8) -> Result<Self, AmbiguousEnd> {
        Ok(match (self, byte) {
            (
                Self::Size { value, digits: 1.. }
                | Self::Blank { value }
                | Self::Extension { value },
                b'\r',
            ) => Self::SizeEnd { value },
            (Self::Size { value, digits: 1.. } | Self::Blank { value }, b';') => {
                Self::Extension { value }
            }
            (Self::Size { value, digits: 1.. } | Self::Blank { value }, b' ' | b'\t') => {
                Self::Blank { value }
            }
            (Self::Extension { value }, _) if is_text(byte) => Self::Extension { value },
            (Self::Size { value: 0, .. }, b'0') => Self::Size {
                digits: 1,
                value: 0,
            },
            (Self::Size { digits, value }, _) if digits < MOST_DIGITS => Self::Size {
                digits: digits + 1,
                value: value * 16 + u64::from(hex(byte)?),
            },
            (Self::SizeEnd { value: 0 }, b'\n') => Self::Last,
            (Self::SizeEnd { value }, b'\n') => Self::Data { left: value },
            (Self::DataEnd, b'\r') => Self::DataEndLf,
            (Self::DataEndLf, b'\n') => Self::START,
            (Self::Last, b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => Self::Done,
            _ => return Err(AmbiguousEnd),
        })
    }
}

fn hex(byte: u8) -> Result<u8, AmbiguousEnd> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(AmbiguousEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_at_the_same_place_however_it_comes() {
        for (bytes, expected) in [
            (&b"0\r\n\r\nHTTP"[..], Ok((5, true))),
            (b"5\r\nhello\r\n0\r\n\r\n", Ok((15, true))),
            (b"A\r\n0123456789\r\n00\r\n\r\n", Ok((21, true))),
            (b"5\r\nhel", Ok((6, false))),
            (b"5\r\nhello\r\n", Ok((10, false))),
            (b"\r\n", Err(AmbiguousEnd)),
            (b"5;a=b\r\nhello\r\n", Ok((14, false))),
            (b"5 ;a=\"\xe9\"\r\nhello\r\n0\t\r\n\r\n", Ok((23, true))),
            (b"00000000000000000005\r\nhello\r\n", Ok((29, false))),
            (b"5;a\nb\r\nhello\r\n", Err(AmbiguousEnd)),
            (b"5;a\0\r\nhello\r\n", Err(AmbiguousEnd)),
            (b"5 5\r\nhello\r\n", Err(AmbiguousEnd)),
            (b" 5\r\nhello\r\n", Err(AmbiguousEnd)),
            (b";a\r\nhello\r\n", Err(AmbiguousEnd)),
            (b"5\nhello\r\n", Err(AmbiguousEnd)),
            (b"5 \r\nhello\r\n", Ok((11, false))),
            (b"+5\r\nhello\r\n", Err(AmbiguousEnd)),
            (b"0x5\r\nhello\r\n", Err(AmbiguousEnd)),
            (b"5\r\nhelloX\r\n", Err(AmbiguousEnd)),
            (b"5\r\nhello\n", Err(AmbiguousEnd)),
            (b"0\r\nTrailer: x\r\n\r\n", Ok((3, false))),
            (b"ffffffffffffffff\r\n", Err(AmbiguousEnd)),
            (b"0\r\n\n", Err(AmbiguousEnd)),
        ] {
            let mut whole = Chunks::START;
            let ended = whole.follow(bytes);
            let ended = ended.map(|length| (length, whole == Chunks::Done));
            assert_eq!(ended, expected, "{:?}", bytes.escape_ascii());
            let mut parts = Chunks::START;
            let followed = bytes.iter().try_fold(0, |length, byte| {
                let here = parts.follow(std::slice::from_ref(byte))?;
                Ok(length + here)
            });
            let followed = followed.map(|length| (length, parts == Chunks::Done));
            assert_eq!(followed, expected, "{:?}", bytes.escape_ascii());
        }
    }
}
