//! Where an answer's body ends, and what else its fields say of the connection (RFC 9112 §6.3). Pure.

use crate::fast_path::chunked::{Chunks, Unclear};

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// By the end of the connection.
    UntilClose,
}

/// Which fields frame the answer and its connection.
#[derive(Debug, Default)]
pub(super) struct Frame<'a> {
    /// The length that the fields tell.
    pub(super) length: Option<u64>,
    /// Does the body come in chunks?
    pub(super) is_chunked: bool,
    /// Does the connection end behind the body?
    pub(super) closes: bool,
    /// The `Connection` lines, where they name further fields.
    nominating: Vec<&'a [u8]>,
}

/// What a field of an answer is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Of the framing: the body's length.
    Length,
    /// Of the framing: its transfer coding.
    Coding,
    /// Of the framing: what becomes of the connection.
    Connection,
    /// Of t3's hop alone, besides these.
    OfOneHop,
    /// Of the answer.
    Other,
}

impl Body {
    /// Has all of it come?
    pub(super) fn is_done(&self) -> bool {
        matches!(
            self,
            Self::Length(0) | Self::Chunked(Chunks::Done | Chunks::Trailed)
        )
    }

    /// What the client has to be told behind the last byte that t3 said: nobody takes trailers
    /// here, and with them goes the end.
    pub(super) fn end(&self) -> &'static [u8] {
        match self {
            Self::Chunked(Chunks::Trailed) => b"\r\n",
            _ => b"",
        }
    }

    /// Follows `bytes` and returns how many of them are of this body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Unclear> {
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

impl<'a> Frame<'a> {
    /// Takes a line's word; none where two readers could understand the fields differently.
    pub(super) fn take(&mut self, part: Part, value: &'a [u8]) -> Option<()> {
        match part {
            Part::Length => {
                let length = digits(value)?;
                if self.length.is_some_and(|held| held != length) {
                    return None;
                }
                self.length = Some(length);
            }
            Part::Coding => {
                if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                self.is_chunked = true;
            }
            Part::Connection => self.connection(value),
            Part::OfOneHop | Part::Other => {}
        }
        Some(())
    }

    fn connection(&mut self, value: &'a [u8]) {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if !token.eq_ignore_ascii_case(b"keep-alive") {
                self.nominating.push(value);
            }
        }
    }

    /// Do they name further fields that belong to this hop alone?
    pub(super) fn nominates_any(&self) -> bool {
        !self.nominating.is_empty()
    }

    /// Do they name this one?
    pub(super) fn nominates(&self, name: &[u8]) -> bool {
        let mut named = self.nominating.iter().flat_map(|value| tokens(value));
        named.any(|token| token.eq_ignore_ascii_case(name))
    }
}

/// What the field called `name` is part of.
pub(super) fn part(name: &[u8]) -> Part {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is(b"te") => Part::OfOneHop,
        7 if is(b"upgrade") || is(b"trailer") => Part::OfOneHop,
        10 if is(b"connection") => Part::Connection,
        10 if is(b"keep-alive") => Part::OfOneHop,
        14 if is(b"content-length") => Part::Length,
        17 if is(b"transfer-encoding") => Part::Coding,
        6.. if name[..6].eq_ignore_ascii_case(b"proxy-") => Part::OfOneHop,
        _ => Part::Other,
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}
