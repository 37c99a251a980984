//! The end of a response's body, by its fields (RFC 9112 §6.3). Pure.

use crate::http_rules::chunks::{AmbiguousEnd, Chunks};
use crate::http_rules::grammar::{decimal, list_members};
use crate::http_rules::header_policy::Field;
use crate::process::client_memory::LONG_BYTES;

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

    /// May much of it be to come?
    pub(super) fn is_long(&self) -> bool {
        match self {
            Self::Length(left) => *left > LONG_BYTES,
            Self::Chunked(_) | Self::UntilClose => !self.is_done(),
        }
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
