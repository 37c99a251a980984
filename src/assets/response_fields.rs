//! The header fields of a static file's response: caching, validation and content coding. Pure.

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::assets::encoder::Coding;
use crate::http_rules::header_map::{self, has_token};
use crate::http_rules::representation::{OF_A_BODY, OF_ONE_RESPONSE, OF_THE_BYTES, remove_all};

/// Lets the browser keep a file whose name carries its content's hash. A shared cache may not: it
/// stands behind single sign-on.
pub(super) fn immutable(headers: &mut HeaderMap) {
    let forever = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, forever);
}

/// Lets the browser keep any other file, and ask each time whether it has changed, by `tag`.
pub(super) fn validated(headers: &mut HeaderMap, tag: HeaderValue) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, tag);
}

/// Adds `Accept-Encoding` to `Vary` (RFC 9110 §12.5.5).
pub(super) fn varies(headers: &mut HeaderMap) {
    if !has_token(headers, &VARY, "accept-encoding") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Sets `coding`, and drops the fields that describe the bytes before it.
pub(super) fn set_coding(headers: &mut HeaderMap, coding: Coding) {
    let Some(token) = coding.token() else {
        return;
    };
    headers.insert(CONTENT_ENCODING, token);
    remove_all(headers, &OF_THE_BYTES);
}

/// The fields of a stored immutable file in `coding`, from `upstream`, those of t3's response.
pub(super) fn of_immutable(
    upstream: &HeaderMap,
    coding: Coding,
    is_compressible: bool,
) -> HeaderMap {
    let mut fields = upstream.clone();
    remove_all(&mut fields, &OF_ONE_RESPONSE);
    // Those of another coding that is stored.
    fields.remove(CONTENT_ENCODING);
    immutable(&mut fields);
    set_coding(&mut fields, coding);
    if is_compressible {
        varies(&mut fields);
    }
    fields
}

/// Those of the fields of a kept file, of any coding, that stay true of its bytes in `coding`.
pub(super) fn of_coded(
    fields: &HeaderMap,
    coding: Coding,
) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let is_true =
        move |name: &HeaderName| coding == Coding::Identity || !OF_THE_BYTES.contains(name);
    fields.iter().filter(move |(name, _)| is_true(name))
}

/// Those of the fields of a file that a 304 has.
pub(super) fn of_not_modified(
    fields: &HeaderMap,
) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    fields.iter().filter(|(name, _)| is_of_not_modified(name))
}

/// Drops the fields that describe a body, for a 304 (RFC 9110 §15.4.5).
pub(super) fn strip_for_not_modified(headers: &mut HeaderMap) {
    header_map::retain(headers, is_of_not_modified);
}

fn is_of_not_modified(name: &HeaderName) -> bool {
    !OF_THE_BYTES.contains(name) && !OF_A_BODY.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| format!("{value:?}")).collect()
    }

    #[test]
    fn vary_is_added_once_beside_what_there_is() {
        let mut headers = from_lines(&[("vary", "Origin")]);
        varies(&mut headers);
        varies(&mut headers);
        assert_eq!(all(&headers, "vary"), ["\"Origin\"", "\"Accept-Encoding\""]);
        let mut headers = from_lines(&[("vary", "origin, accept-ENCODING")]);
        varies(&mut headers);
        assert_eq!(all(&headers, "vary"), ["\"origin, accept-ENCODING\""]);
    }

    #[test]
    fn fields_that_describe_the_original_bytes_are_dropped() {
        let lines = [
            ("content-length", "10"),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:x:"),
            ("x-kept", "1"),
        ];
        let mut headers = from_lines(&lines);
        set_coding(&mut headers, Coding::Identity);
        assert_eq!(headers, from_lines(&lines));
        set_coding(&mut headers, Coding::Br);
        let expected = from_lines(&[("x-kept", "1"), ("content-encoding", "br")]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_stored_file_has_the_fields_of_t3_that_still_apply() {
        let upstream = from_lines(&[
            ("content-type", "text/css"),
            ("content-length", "10"),
            ("access-control-allow-origin", "*"),
            ("date", "today"),
        ]);
        let expected = from_lines(&[
            ("content-type", "text/css"),
            ("access-control-allow-origin", "*"),
            ("cache-control", "private, max-age=31536000, immutable"),
            ("content-encoding", "br"),
            ("vary", "Accept-Encoding"),
        ]);
        let stored = of_immutable(&upstream, Coding::Br, true);
        assert_eq!(stored, expected);
        let mut expected = expected;
        expected.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(of_immutable(&stored, Coding::Gzip, true), expected);
        expected.remove(CONTENT_ENCODING);
        assert_eq!(of_immutable(&stored, Coding::Identity, true), expected);
    }

    #[test]
    fn a_304_has_no_field_that_describes_a_body() {
        let mut headers = from_lines(&[
            ("date", "today"),
            ("etag", "\"x\""),
            ("vary", "Accept-Encoding"),
            ("cache-control", "no-cache"),
            ("content-location", "/x"),
            ("content-type", "text/html"),
            ("content-length", "10"),
            ("content-encoding", "br"),
            ("last-modified", "yesterday"),
        ]);
        strip_for_not_modified(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = ["cache-control", "content-location", "date", "etag", "vary"];
        assert_eq!(left, expected);
    }
}
