//! A request's id on the fast path: where it stands, and its text. Pure.

use crate::http_rules::request_id::RequestIds;

/// Where the id of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdSource {
    /// It came with it: its place in the head, and its length.
    Given(usize, usize),
    /// It was made.
    Made(u64),
}

impl IdSource {
    /// Its text; `bytes` are those that the request was read from.
    pub(super) fn text<'a>(self, bytes: &'a [u8], ids: &'a RequestIds) -> IdText<'a> {
        match self {
            Self::Given(start, length) => {
                IdText::Given(bytes.get(start..start + length).unwrap_or(b"-"))
            }
            Self::Made(number) => IdText::Made(number, ids),
        }
    }
}

/// The text of a request's id, to be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum IdText<'a> {
    /// It came with the request.
    Given(&'a [u8]),
    /// It was made, of this number.
    Made(u64, &'a RequestIds),
}

impl IdText<'_> {
    /// Writes the line of a head that states it.
    pub(super) fn write_line(self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"x-request-id: ");
        match self {
            Self::Given(text) => to.extend_from_slice(text),
            Self::Made(number, ids) => ids.write(number, to),
        }
        to.extend_from_slice(b"\r\n");
    }
}
