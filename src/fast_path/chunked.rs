//! Where a chunked body ends (RFC 9112 §7.1), while its bytes are passed on as they are. Pure.

/// More digits than a chunk of 2^60 bytes has.
const MOST_DIGITS: u8 = 15;

/// How far a chunked body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a chunk's size, of which so many digits have come.
    Size {
        digits: u8,
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

/// It is not clear where the body ends. What t3 never sends is refused rather than understood:
/// extensions, a bare line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

impl Chunks {
    pub(super) const START: Self = Self::Size {
        digits: 0,
        value: 0,
    };

    /// Follows `bytes` and returns how many of them are of this body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Unclear> {
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

    fn after(self, byte: u8) -> Result<Self, Unclear> {
        Ok(match (self, byte) {
            (Self::Size { digits, value }, b'\r') if digits > 0 => Self::SizeEnd { value },
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
            _ => return Err(Unclear),
        })
    }
}

fn hex(byte: u8) -> Result<u8, Unclear> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Unclear),
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
            (b"\r\n", Err(Unclear)),
            (b"5;a=b\r\nhello\r\n", Err(Unclear)),
            (b"5\nhello\r\n", Err(Unclear)),
            (b"5 \r\nhello\r\n", Err(Unclear)),
            (b"+5\r\nhello\r\n", Err(Unclear)),
            (b"0x5\r\nhello\r\n", Err(Unclear)),
            (b"5\r\nhelloX\r\n", Err(Unclear)),
            (b"5\r\nhello\n", Err(Unclear)),
            (b"0\r\nTrailer: x\r\n\r\n", Ok((3, false))),
            (b"ffffffffffffffff\r\n", Err(Unclear)),
            (b"0\r\n\n", Err(Unclear)),
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
