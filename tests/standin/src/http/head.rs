//! A request's head, parsed once and kept byte for byte.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Node's maxHeaderSize: target, names and values together (contract §7).
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The most bytes of an incomplete head, separators included.
const MAX_HEAD_BYTES: usize = 2 * MAX_HEADER_BYTES;

const MAX_HEADERS: usize = 256;

/// A parsed request head over its own bytes.
#[derive(Debug)]
pub(crate) struct Head {
    raw: Bytes,
    method: Range<usize>,
    target: Range<usize>,
    minor: u8,
    headers: Vec<(Range<usize>, Range<usize>)>,
}

/// The result of parsing the buffer.
#[derive(Debug)]
pub(crate) enum Parsed {
    Complete(Head),
    Partial,
    TooLarge,
    Malformed,
}

/// Takes one head off the front of the buffer.
pub(crate) fn parse(buffer: &mut BytesMut) -> Parsed {
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(buffer, &mut slots) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD_BYTES => return Parsed::TooLarge,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => return Parsed::TooLarge,
        Err(_) => return Parsed::Malformed,
    };
    let origin = buffer.as_ptr() as usize;
    let range = |part: &[u8]| {
        let start = part.as_ptr() as usize - origin;
        start..start + part.len()
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Parsed::Malformed;
    };
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|header| (range(header.name.as_bytes()), range(header.value)))
        .collect();
    let (method, target) = (range(method.as_bytes()), range(target.as_bytes()));
    let counted = target.len()
        + headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let raw = buffer.split_to(length).freeze();
    if counted >= MAX_HEADER_BYTES {
        return Parsed::TooLarge;
    }
    Parsed::Complete(Head {
        raw,
        method,
        target,
        minor,
        headers,
    })
}

impl Head {
    pub(crate) fn method(&self) -> &str {
        text(&self.raw[self.method.clone()])
    }

    /// The request target, byte for byte.
    pub(crate) fn target(&self) -> &[u8] {
        &self.raw[self.target.clone()]
    }

    pub(crate) fn is_http_1_0(&self) -> bool {
        self.minor == 0
    }

    /// Every header line in order, the names as on the wire.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (text(&self.raw[name.clone()]), &self.raw[value.clone()]))
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self
            .headers()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| text(value))
    }

    /// The first value of that name.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether a comma-separated header has that token.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|line| line.split(','))
            .any(|own| own.trim().eq_ignore_ascii_case(token))
    }

    /// HTTP/1.0 connections close (contract §7).
    pub(crate) fn keeps_alive(&self) -> bool {
        !self.is_http_1_0() && !self.has_token("connection", "close")
    }

    /// Whether there is an Upgrade header; any value counts, on any path (contract §5).
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.get("upgrade").is_some()
    }
}

/// A value that is not UTF-8 counts as empty: t3 reads only ASCII values.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(&mut BytesMut::from(text))
    }

    #[test]
    fn a_head_keeps_its_lines_and_leaves_the_rest() {
        let mut buffer =
            BytesMut::from("GET /x HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\nrest");
        let Parsed::Complete(head) = parse(&mut buffer) else {
            panic!("complete")
        };
        assert_eq!((head.method(), head.target()), ("GET", &b"/x"[..]));
        assert_eq!(head.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(&buffer[..], b"rest");
    }

    #[test]
    fn sixteen_kibibytes_are_the_limit() {
        let with = |bytes: usize| {
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n",
                "x".repeat(bytes)
            )
        };
        assert!(matches!(parsed(&with(16_300)), Parsed::Complete(_)));
        assert!(matches!(parsed(&with(17_000)), Parsed::TooLarge));
        assert!(matches!(
            parsed(&"x".repeat(40_000)),
            Parsed::TooLarge | Parsed::Malformed
        ));
        assert!(matches!(parsed("GET / HT"), Parsed::Partial));
    }
}
