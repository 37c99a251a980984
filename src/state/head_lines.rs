//! The request line and a field's line of a head, byte by byte as they come. Pure.

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How the version of a request line begins (RFC 9112 §2.3).
const VERSION: &[u8] = b"HTTP/1.";

/// How the line of a request begins to which no body may be sent (RFC 9110 §9.3.2).
const HEAD: &[u8] = b"HEAD ";

/// The field of a body whose end is in its chunks, in lower case.
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// The request line.
#[derive(Debug, Default)]
pub struct RequestLine {
    /// How many bytes of it have come.
    length: usize,
    /// How many spaces were among them: the target is behind the first one.
    spaces: usize,
    /// The bytes of the target.
    target: usize,
    /// How many bytes behind the second space are those of the version.
    version: usize,
    has_fragment: bool,
    is_preface: bool,
    is_head: bool,
}

/// The part of a field's line that has come.
#[derive(Debug, Default)]
pub struct FieldLine {
    length: usize,
    /// How many of the first bytes are those of [`TRANSFER_ENCODING`].
    alike: usize,
    has_text: bool,
}

impl RequestLine {
    /// The next byte came.
    pub fn read(&mut self, byte: u8) {
        match (self.spaces, byte) {
            (_, b' ') => self.spaces += 1,
            (1, byte) => {
                self.target += 1;
                self.has_fragment |= byte == b'#';
            }
            (2, byte) if VERSION.get(self.version) == Some(&byte) => self.version += 1,
            _ => {}
        }
        let goes_on = |text: &[u8], is_it: bool| {
            text.get(self.length)
                .map_or(is_it, |held| *held == byte && (is_it || self.length == 0))
        };
        self.is_preface = goes_on(PREFACE, self.is_preface);
        self.is_head = goes_on(HEAD, self.is_head);
        self.length += 1;
    }

    /// Has nothing of it come yet?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes of the target so far.
    pub fn target_length(&self) -> usize {
        self.target
    }

    /// Has the target of this line a fragment?
    pub fn has_fragment(&self) -> bool {
        self.has_fragment && self.version == VERSION.len()
    }

    /// Does an HTTP/2 connection begin here?
    pub fn is_preface(&self) -> bool {
        self.is_preface && self.length >= PREFACE.len()
    }

    /// Does it ask by HEAD, to which a response has no body?
    pub fn is_head(&self) -> bool {
        self.is_head && self.length >= HEAD.len()
    }
}

impl FieldLine {
    /// Follows `part`, which goes on to its end at most.
    pub fn read(&mut self, part: &[u8]) {
        let name = TRANSFER_ENCODING.get(self.length..).unwrap_or_default();
        let pairs = name.iter().zip(part);
        let alike = pairs.take_while(|(held, byte)| **held == byte.to_ascii_lowercase());
        self.alike += alike.count();
        self.has_text |= part.iter().any(|byte| !b"\r\n".contains(byte));
        self.length += part.len();
    }

    /// Does it say that the body comes in chunks?
    pub fn is_transfer_encoding(&self) -> bool {
        self.alike == TRANSFER_ENCODING.len()
    }

    /// Is it a field, not the empty line at the end of a head?
    pub fn is_field(&self) -> bool {
        self.has_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_known_by_its_whole_name() {
        for (line, expected) in [
            ("HEAD / HTTP/1.1\r\n", true),
            ("HEAD", false),
            ("HEADS / HTTP/1.1\r\n", false),
            ("GET /HEAD HTTP/1.1\r\n", false),
        ] {
            let mut read = RequestLine::default();
            line.bytes().for_each(|byte| read.read(byte));
            assert_eq!(read.is_head(), expected, "{line}");
        }
    }
}
