//! The header lines of a head in canonical form: read strictly, without copying. Pure.
//!
//! Stricter than RFC 9112 §5: one space after the colon, no white space at a value's ends, CR LF at
//! every line's end. Any other form is left to a reader that accepts all of RFC 9112.

use std::ops::Range;

use http::HeaderName;

use crate::http_rules::HeaderView;
use crate::http_rules::scan::{is_like, name_length, text_length};

/// More lines than browsers, proxies and t3 send, as a rule.
const USUAL_LINES: usize = 96;

/// The lines of a head after its first one.
#[derive(Debug)]
pub(super) struct HeaderLines<'a> {
    message: &'a [u8],
    spans: &'a [LineSpan],
    /// The bits of the lines' names: most names that are looked for are on no line.
    names: u64,
    /// The bytes of the head, with the empty line.
    pub(super) length: usize,
}

/// Space for the spans of lines, on the stack of the reader.
#[derive(Debug)]
pub(super) struct LineSpace<const LINES: usize = USUAL_LINES>([LineSpan; LINES]);

/// A line.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeaderLine<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    span: LineSpan,
}

/// Where in the message a line begins, where its name and where its value ends.
#[derive(Debug, Clone, Copy, Default)]
struct LineSpan {
    start: u32,
    colon: u32,
    end: u32,
}

impl<'a> HeaderLines<'a> {
    /// The lines of `message` from the byte at `from` on, their spans in `space`; none where one is in
    /// another form, or not there yet.
    pub(super) fn read<const LINES: usize>(
        message: &'a [u8],
        from: usize,
        space: &'a mut LineSpace<LINES>,
    ) -> Option<Self> {
        // So that each place fits into a span.
        u32::try_from(message.len()).ok()?;
        let (mut at, mut count, mut names) = (from, 0, 0);
        loop {
            let rest = message.get(at..)?;
            if rest.starts_with(b"\r\n") {
                return Some(Self {
                    message,
                    spans: &space.0[..count],
                    names,
                    length: at + 2,
                });
            }
            let colon = name_length(rest);
            let value = rest.get(colon..)?.strip_prefix(b": ")?;
            let length = text_length(value);
            if colon == 0 || !value[length..].starts_with(b"\r\n") || is_padded(&value[..length]) {
                return None;
            }
            let end = at + colon + 2 + length;
            *space.0.get_mut(count)? = LineSpan {
                start: at as u32,
                colon: (at + colon) as u32,
                end: end as u32,
            };
            names |= name_bit(&rest[..colon]);
            count += 1;
            at = end + 2;
        }
    }

    /// The lines in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = HeaderLine<'a>> {
        let message = self.message;
        self.spans.iter().map(move |span| HeaderLine {
            name: &message[span.name()],
            value: &message[span.value()],
            span: *span,
        })
    }
}

impl HeaderView for HeaderLines<'_> {
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str().as_bytes();
        let is_there = self.names & name_bit(name) != 0;
        let spans = if is_there { self.spans } else { &[] };
        let is_named = |line: &[u8]| is_like(line, name) && line.eq_ignore_ascii_case(name);
        spans
            .iter()
            .filter(move |span| is_named(&self.message[span.name()]))
            .map(|span| &self.message[span.value()])
    }
}

impl HeaderLine<'_> {
    /// Its range in the message, with the end of the line.
    pub(super) fn range(&self) -> Range<usize> {
        self.span.start as usize..self.span.end as usize + 2
    }

    /// The range of its value in the message.
    pub(super) fn value_range(&self) -> Range<usize> {
        self.span.value()
    }
}

impl<const LINES: usize> Default for LineSpace<LINES> {
    fn default() -> Self {
        Self([LineSpan::default(); LINES])
    }
}

impl LineSpan {
    fn name(&self) -> Range<usize> {
        self.start as usize..self.colon as usize
    }

    fn value(&self) -> Range<usize> {
        self.colon as usize + 2..self.end as usize
    }
}

/// One of 64 bits for a name, the same in any case.
fn name_bit(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    1 << ((usize::from(first) + 7 * name.len()) % 64)
}

/// Is there white space at an end of it, which is not part of a value?
fn is_padded(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.first()) || is_space(value.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and values of a head, and how long it is.
    fn read(head: &[u8]) -> Option<(Vec<[Vec<u8>; 2]>, usize)> {
        let mut space = <LineSpace>::default();
        let lines = HeaderLines::read(head, 3, &mut space)?;
        let fields = lines.iter().map(|line| {
            assert_eq!(head[line.value_range()], *line.value);
            let span = &head[line.range()];
            assert_eq!(span, [line.name, b": ", line.value, b"\r\n"].concat());
            [line.name, line.value].map(<[u8]>::to_vec)
        });
        Some((fields.collect(), lines.length))
    }

    #[test]
    fn what_is_spelt_as_usual_is_read() {
        let long = "v".repeat(100);
        let head =
            format!(">\r\nA: 1\r\nb-c: x  y\tz\r\nD: \r\nE: {long}\r\nF: \u{e9}\r\n\r\nbody");
        let (fields, length) = read(head.as_bytes()).expect("lines");
        let expected = [
            ("A", "1"),
            ("b-c", "x  y\tz"),
            ("D", ""),
            ("E", &long),
            ("F", "\u{e9}"),
        ];
        let expected =
            expected.map(|(name, value)| [name, value].map(|part| part.as_bytes().to_vec()));
        assert_eq!(fields, expected);
        assert_eq!(length, head.len() - "body".len());
        let mut space = <LineSpace>::default();
        let lines = HeaderLines::read(head.as_bytes(), 3, &mut space).expect("lines");
        let single = |name| {
            lines
                .single(&HeaderName::from_static(name))
                .map(<[u8]>::len)
        };
        assert_eq!(single("e"), Some(100));
        assert_eq!(single("g"), None);
    }

    #[test]
    fn what_it_reads_others_read_alike() {
        let first = b"GET / HTTP/1.1\r\n";
        let usual = b"A: 1\r\nLonger-Name: one\tvalue \xe9\r\nB: \r\nC: 3\r\n\r\n: x";
        let mut count = 0;
        for (at, byte) in (0..usual.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte)))
        {
            for behind in [at, at + 1] {
                let head = [first, &usual[..at], &[byte], &usual[behind..]].concat();
                let mut space = <LineSpace>::default();
                let Some(lines) = HeaderLines::read(&head, first.len(), &mut space) else {
                    continue;
                };
                let mut fields = [httparse::EMPTY_HEADER; 8];
                let mut request = httparse::Request::new(&mut fields);
                let length = request.parse(&head);
                assert_eq!(length, Ok(httparse::Status::Complete(lines.length)));
                let others = request
                    .headers
                    .iter()
                    .map(|line| (line.name.as_bytes(), line.value));
                assert!(lines.iter().map(|line| (line.name, line.value)).eq(others));
                count += 1;
            }
        }
        assert!(count > 1000, "{count} heads were read");
    }

    #[test]
    fn whatever_is_spelt_differently_is_not() {
        for line in [
            "A:1\r\n",
            "A:  1\r\n",
            "A: 1 \r\n",
            "A: 1\t\r\n",
            "A: \t\r\n",
            "A : 1\r\n",
            "A: 1\n",
            "A: 1\r",
            " A: 1\r\n",
            ": 1\r\n",
            "A\r\n",
            "A: 1\r\n 2\r\n",
            "A: \0\r\n",
            "A: \x7f\r\n",
            "A: 1\rB: 2\r\n",
            "A: 1\nB: 2\r\n",
            "A(: 1\r\n",
            "\u{e9}: 1\r\n",
            "A: 12345678\x01\r\n",
        ] {
            let head = format!(">\r\nX: y\r\n{line}\r\n");
            assert_eq!(read(head.as_bytes()), None, "{line:?}");
        }
        let most = |count| format!(">\r\n{}\r\n", "A: 1\r\n".repeat(count));
        assert!(read(most(USUAL_LINES).as_bytes()).is_some());
        assert_eq!(read(most(USUAL_LINES + 1).as_bytes()), None);
        let whole = most(3);
        for length in 3..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..length]), None, "{length} bytes");
        }
    }
}
