//! The end of a response's body, by its fields and by its chunks (RFC 9112 §6.3, §7.1). Pure.

use crate::http_rules::grammar::{decimal, list_members};
use crate::http_rules::header_policy::Field;
use crate::http_rules::scan::is_text;

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// So many bytes are to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// By the end of the connection.
    UntilClose,
}

/// What the fields of a response state about its framing and its connection.
#[derive(Debug, Default)]
pub(super) struct FramingFields<'a> {
    /// The stated length.
    pub(super) length: Option<u64>,
    /// Does the body come in chunks?
    pub(super) is_chunked: bool,
    /// Does the connection end after the body?
    pub(super) closes: bool,
    /// The `Connection` lines that nominate further fields.
    nominating: Vec<&'a [u8]>,
}

impl BodyFraming {
    /// Has all of it come?
    pub(super) fn is_done(&self) -> bool {
        matches!(
            self,
            Self::Length(0) | Self::Chunked(Chunks::Done | Chunks::Trailed)
        )
    }

    /// What the client has to be sent after the last byte from t3: trailers are left out, and with
    /// them goes the end.
    pub(super) fn end(&self) -> &'static [u8] {
        match self {
            Self::Chunked(Chunks::Trailed) => b"\r\n",
            _ => b"",
        }
    }

    /// Follows `bytes` and returns how many of them are of this body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, AmbiguousEnd> {
        match self {
            Self::Length(left) => {
                let here = (*left).min(bytes.len() as u64);
                *left -= here;
                Ok(here as usize)
            }
            Self::Chunked(chunks) => chunks.follow(bytes),
            Self::UntilClose => Ok(bytes.len()),
        }
    }
}

impl<'a> FramingFields<'a> {
    /// Notes a line; none where two readers could understand the fields differently.
    pub(super) fn note(&mut self, field: Field, value: &'a [u8]) -> Option<()> {
        match field {
            Field::ContentLength => {
                let length = decimal(value)?;
                if self.length.is_some_and(|held| held != length) {
                    return None;
                }
                self.length = Some(length);
            }
            Field::TransferEncoding => {
                if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                self.is_chunked = true;
            }
            Field::Connection => self.connection(value),
            _ => {}
        }
        Some(())
    }

    fn connection(&mut self, value: &'a [u8]) {
        for token in list_members(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if !token.eq_ignore_ascii_case(b"keep-alive") {
                self.nominating.push(value);
            }
        }
    }

    /// Do they nominate further fields that belong to this hop only?
    pub(super) fn nominates_any(&self) -> bool {
        !self.nominating.is_empty()
    }

    /// Do they nominate the field called `name`?
    pub(super) fn nominates(&self, name: &[u8]) -> bool {
        let mut nominated = self.nominating.iter().flat_map(|value| list_members(value));
        nominated.any(|token| token.eq_ignore_ascii_case(name))
    }
}

/// More digits than a chunk of 2^60 bytes has.
const MOST_DIGITS: u8 = 15;

/// How far a chunked body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a chunk's size, of which so many digits have come, leading zeros but the last one left out.
    Size {
        digits: u8,
        value: u64,
    },
    /// In the white space behind a chunk's size.
    Blank {
        value: u64,
    },
    /// In a chunk's extension, which goes on as it is (RFC 9112 §7.1.1).
    Extension {
        value: u64,
    },
    /// Behind the CR of a chunk's size.
    SizeEnd {
        value: u64,
    },
    /// In a chunk, so many bytes before its end.
    Data {
        left: u64,
    },
    /// Behind a chunk, and behind the CR there.
    DataEnd,
    DataEndLf,
    /// Behind the last chunk: the empty line that ends the body, or a trailer.
    Last,
    LastLf,
    /// All of it has come.
    Done,
    /// All of it has come but a trailer and the end, which are left out.
    Trailed,
}

/// The end of the body is ambiguous. What readers may understand differently is refused rather than
/// understood: a bare line feed, a control character in an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AmbiguousEnd;

impl Chunks {
    pub(super) const START: Self = Self::Size {
        digits: 0,
        value: 0,
    };

    /// Follows `bytes` and returns how many of them are of this body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, AmbiguousEnd> {
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
