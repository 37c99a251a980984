//! The head of an answer that is spelt differently than most, in the spelling of most. Pure.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::fast_path::head_writer::write_line;

/// More fields than t3 sends, whoever wrote the handler.
const MOST_FIELDS: usize = 96;

/// What the bytes from t3 begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Respelt {
    /// Not all of a head has come.
    Partial,
    /// A head of so many bytes, and what it is.
    Head(usize, Vec<u8>),
    /// No head of an answer.
    Unclear,
}

/// Reads what `bytes` begin with as RFC 9112 §4 and §5 allow it.
pub(super) fn respelt(bytes: &[u8]) -> Respelt {
    let begin = b"HTTP/1.";
    if !begin.starts_with(&bytes[..bytes.len().min(begin.len())]) {
        return Respelt::Unclear;
    }
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Respelt::Partial,
        Err(_) => return Respelt::Unclear,
    };
    let (Some(version), Some(code)) = (response.version, response.code) else {
        return Respelt::Unclear;
    };
    // httparse leaves a reason out that is no text; nobody may act on one (RFC 9112 §4).
    let reason = response.reason.unwrap_or_default();
    let mut head = format!("HTTP/1.{version} {code:03} {reason}\r\n").into_bytes();
    for line in &*response.headers {
        write_line(line.name.as_bytes(), line.value, &mut head);
    }
    head.extend_from_slice(b"\r\n");
    Respelt::Head(length, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_spelt_in_one_way() {
        for (bytes, expected) in [
            (
                &b"HTTP/1.1 200 OK\nA:1\r\nB: \t2 \r\nC:\r\n\r\nbody"[..],
                "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: \r\n\r\n",
            ),
            (b"HTTP/1.0 404\r\n\r\n", "HTTP/1.0 404 \r\n\r\n"),
        ] {
            let whole = bytes.len() - if bytes.ends_with(b"body") { 4 } else { 0 };
            let expected = Respelt::Head(whole, expected.as_bytes().to_vec());
            assert_eq!(respelt(bytes), expected, "{:?}", bytes.escape_ascii());
            for length in 0..whole {
                assert_eq!(respelt(&bytes[..length]), Respelt::Partial, "{length}");
            }
        }
    }

    #[test]
    fn what_is_no_head_stays_none() {
        for bytes in [
            &b"\r\n"[..],
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.2 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nBad Name: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nFolded: a\r\n b\r\n\r\n",
            b"<html>",
        ] {
            assert_eq!(
                respelt(bytes),
                Respelt::Unclear,
                "{:?}",
                bytes.escape_ascii()
            );
        }
    }
}
