//! The lines of a head that is spelt as everybody spells it, which is most of them. Pure.
//!
//! Stricter than RFC 9112 §5 asks for: one space behind the colon, none at a value's ends, CR and
//! LF at every line's. Whatever is spelt in another way is for a reader that knows more.

use std::ops::Range;

use http::HeaderName;

use crate::fast_path::token_scan::{name_length, text_length};
use crate::http_rules::header_view::Fields;

/// More lines than browsers, proxies and t3 send.
const MOST: usize = 96;

/// The lines of a head behind its first one.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    message: &'a [u8],
    places: &'a [Place],
    /// How many bytes the head has, with the empty line.
    pub(super) length: usize,
}

/// Room for the places of lines.
#[derive(Debug)]
pub(super) struct Room([Place; MOST]);

/// A line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    place: Place,
}

/// Where in the message a line begins, where its name and where its value ends.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    colon: u32,
    end: u32,
}

impl<'a> Lines<'a> {
    /// The lines of `message` from the byte at `from` on, their places in `room`; none where one
    /// is spelt differently, or is missing.
    pub(super) fn read(message: &'a [u8], from: usize, room: &'a mut Room) -> Option<Self> {
        let (mut at, mut count) = (from, 0);
        loop {
            let rest = message.get(at..)?;
            if rest.starts_with(b"\r\n") {
                return Some(Self {
                    message,
                    places: &room.0[..count],
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
            *room.0.get_mut(count)? = Place {
                start: at.try_into().ok()?,
                colon: (at + colon).try_into().ok()?,
                end: end.try_into().ok()?,
            };
            count += 1;
            at = end + 2;
        }
    }

    /// One after another.
    pub(super) fn iter(&self) -> impl Iterator<Item = Line<'a>> {
        let message = self.message;
        self.places.iter().map(move |place| Line {
            name: &message[place.name()],
            value: &message[place.value()],
            place: *place,
        })
    }
}

impl Fields for Lines<'_> {
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str().as_bytes();
        let places = self.places.iter();
        places
            .filter(|place| place.name().len() == name.len())
            .filter(|place| self.message[place.name()].eq_ignore_ascii_case(name))
            .map(|place| &self.message[place.value()])
    }
}

impl Line<'_> {
    /// Where in the message it stands, with the end of the line.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.start as usize..self.place.end as usize + 2
    }

    /// Where in the message its value stands.
    pub(super) fn value_place(&self) -> Range<usize> {
        self.place.value()
    }
}

impl Default for Room {
    fn default() -> Self {
        Self([Place::default(); MOST])
    }
}

impl Place {
    fn name(&self) -> Range<usize> {
        self.start as usize..self.colon as usize
    }

    fn value(&self) -> Range<usize> {
        self.colon as usize + 2..self.end as usize
    }
}

/// White space at an end of it is none of a value.
fn is_padded(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.first()) || is_space(value.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and values of a head, and how long it is.
    fn read(head: &[u8]) -> Option<(Vec<[Vec<u8>; 2]>, usize)> {
        let mut room = Room::default();
        let lines = Lines::read(head, 3, &mut room)?;
        let fields = lines.iter().map(|line| {
            assert_eq!(head[line.value_place()], *line.value);
            let place = &head[line.place()];
            assert_eq!(place, [line.name, b": ", line.value, b"\r\n"].concat());
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
        let mut room = Room::default();
        let lines = Lines::read(head.as_bytes(), 3, &mut room).expect("lines");
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
                let mut room = Room::default();
                let Some(lines) = Lines::read(&head, first.len(), &mut room) else {
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
        assert!(read(most(MOST).as_bytes()).is_some());
        assert_eq!(read(most(MOST + 1).as_bytes()), None);
        let whole = most(3);
        for length in 3..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..length]), None, "{length} bytes");
        }
    }
}
