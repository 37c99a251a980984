//! The fields of a file's answer: how it may be kept, and how it is coded. Pure.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE,
    DATE, ETAG, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::assets::encoder::Coding;
use crate::http_rules::transform;

/// A name with its content's hash is the same for ever, for the person that asked.
pub(super) fn immutable(headers: &mut HeaderMap) {
    let forever = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, forever);
}

/// What has no hash in its name is asked for each time, and sent again only if it has changed.
pub(super) fn validated(headers: &mut HeaderMap, tag: HeaderValue) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, tag);
}

/// Other clients may get other bytes (RFC 9110 §12.5.5).
pub(super) fn varies(headers: &mut HeaderMap) {
    let is_there = headers.get_all(VARY).iter().any(|line| {
        let mut names = line.as_bytes().split(|byte| *byte == b',');
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"accept-encoding"))
    });
    if !is_there {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// The body is no longer the one that t3 sent.
pub(super) fn coded(headers: &mut HeaderMap, coding: Coding) {
    let Some(token) = coding.token() else {
        return;
    };
    headers.insert(CONTENT_ENCODING, token);
    for name in [CONTENT_LENGTH, ACCEPT_RANGES] {
        headers.remove(name);
    }
    transform::drop_digests(headers);
}

/// The fields of a file with a hash in its name, to be said again at any time: t3's own, `coding`,
/// and how long to keep it.
pub(super) fn of_hashed(from_t3: &HeaderMap, coding: Coding, is_codable: bool) -> HeaderMap {
    let mut fields = from_t3.clone();
    for name in [CONTENT_LENGTH, DATE, ETAG, LAST_MODIFIED] {
        fields.remove(name);
    }
    immutable(&mut fields);
    coded(&mut fields, coding);
    if is_codable {
        varies(&mut fields);
    }
    fields
}

/// What a 304 says of the representation that the client holds: nothing that describes a body
/// (RFC 9110 §15.4.5).
pub(super) fn of_not_modified(headers: &mut HeaderMap) {
    let of_a_body = [
        CONTENT_TYPE,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        ACCEPT_RANGES,
        LAST_MODIFIED,
    ];
    for name in of_a_body {
        headers.remove(name);
    }
    transform::drop_digests(headers);
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
    fn what_told_of_other_bytes_goes() {
        let lines = [
            ("content-length", "10"),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:x:"),
            ("x-kept", "1"),
        ];
        let mut headers = from_lines(&lines);
        coded(&mut headers, Coding::Identity);
        assert_eq!(headers, from_lines(&lines));
        coded(&mut headers, Coding::Br);
        let expected = from_lines(&[("x-kept", "1"), ("content-encoding", "br")]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_kept_file_is_told_of_as_t3_did() {
        let from_t3 = from_lines(&[
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
        assert_eq!(of_hashed(&from_t3, Coding::Br, true), expected);
    }

    #[test]
    fn a_304_tells_nothing_of_a_body() {
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
        of_not_modified(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = ["cache-control", "content-location", "date", "etag", "vary"];
        assert_eq!(left, expected);
    }
}
