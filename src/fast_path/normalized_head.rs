//! A response head in a form that RFC 9112 allows and few send, rewritten in canonical form. Pure.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::http_rules::MAX_FIELDS;
use crate::http_rules::grammar::write_line;

/// What the bytes from t3 begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NormalizedHead {
    /// Not all of a head has come.
    Partial,
    /// A head of so many bytes, in canonical form.
    Head(usize, Vec<u8>),
    /// A head of more fields than [`MAX_FIELDS`].
    TooLarge,
    /// No response head.
    Invalid,
}

/// Reads what `bytes` begin with as RFC 9112 §4 and §5 allow it.
pub(super) fn normalize(bytes: &[u8]) -> NormalizedHead {
    let begin = b"HTTP/1.";
    if !begin.starts_with(&bytes[..bytes.len().min(begin.len())]) {
        return NormalizedHead::Invalid;
    }
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return NormalizedHead::Partial,
        Err(httparse::Error::TooManyHeaders) => return NormalizedHead::TooLarge,
        Err(_) => return NormalizedHead::Invalid,
    };
    let (Some(version), Some(code)) = (response.version, response.code) else {
        return NormalizedHead::Invalid;
    };
    // httparse drops a reason that is not text; no client may act on one (RFC 9112 §4).
    let reason = response.reason.unwrap_or_default();
    let mut head = format!("HTTP/1.{version} {code:03} {reason}\r\n").into_bytes();
    for line in &*response.headers {
        write_line(line.name.as_bytes(), line.value, &mut head);
    }
    head.extend_from_slice(b"\r\n");
    NormalizedHead::Head(length, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_rewritten_in_canonical_form() {
        for (bytes, expected) in [
            (
                &b"HTTP/1.1 200 OK\nA:1\r\nB: \t2 \r\nC:\r\n\r\nbody"[..],
                "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: \r\n\r\n",
            ),
            (b"HTTP/1.0 404\r\n\r\n", "HTTP/1.0 404 \r\n\r\n"),
        ] {
            let whole = bytes.len() - if bytes.ends_with(b"body") { 4 } else { 0 };
            let expected = NormalizedHead::Head(whole, expected.as_bytes().to_vec());
            assert_eq!(normalize(bytes), expected, "{:?}", bytes.escape_ascii());
            for length in 0..whole {
                assert_eq!(
                    normalize(&bytes[..length]),
                    NormalizedHead::Partial,
                    "{length}"
                );
            }
        }
    }

    #[test]
    fn an_invalid_head_is_refused() {
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
                normalize(bytes),
                NormalizedHead::Invalid,
                "{:?}",
                bytes.escape_ascii()
            );
        }
    }
}
