//! Which requests and responses are for a static file that may be cached and compressed. Pure.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::assets::caching_rules::{self, Caching};
use crate::assets::media_type::{essence, is_compressible, single};
use crate::http_rules::paths::{HASHED, carries_hash, is_file_path, is_static_path};
use crate::http_rules::representation::{
    SPECIAL_FILE, SPECIAL_REQUEST, has_any, is_transform_forbidden,
};
use crate::http_rules::{HeaderView, browser_request, header_map};

/// A smaller body is one packet either way.
pub(super) const MIN_COMPRESSIBLE_BYTES: u64 = 1024;

/// A static file of t3's, described by the head of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StaticFile {
    /// Its length in bytes, as t3 sends it.
    pub(super) length: u64,
    /// Is it HTML? t3 answers every unknown name with its page (contract §6).
    pub(super) is_page: bool,
    /// Is it worth compressing?
    pub(super) is_compressible: bool,
    /// How t3 lets a browser keep it.
    pub(super) caching: Caching,
    /// May t3 send another file to another client?
    pub(super) depends_on_client: bool,
}

impl StaticFile {
    /// Will `name`, a path below /assets/, never stand for another content? Where t3 says nothing, all
    /// of them carry a hash (contract §6); where it has each validated, those that do.
    pub(super) fn is_immutable(self, name: &str) -> bool {
        let is_hashed = match self.caching {
            Caching::Unsaid | Caching::Immutable => true,
            Caching::Validated => carries_hash(name),
        };
        is_hashed && !self.is_page
    }
}

/// May the response to a request with `head` and no body be a static file?
pub(super) fn is_eligible(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && (is_file_path(head.uri.path())
            || (is_static_path(head.uri.path()) && browser_request::wants_document(&head.headers)))
        && asks_for_a_file(&head.headers)
}

/// May the response to a request with `fields` be a whole static file, in whatever coding?
fn asks_for_a_file(fields: &(impl HeaderView + ?Sized)) -> bool {
    !has_any(fields, &SPECIAL_REQUEST) && !is_transform_forbidden(fields)
}

/// The path of a request, if it is below /assets/ and there is no query: the name under which the file
/// is stored if it is immutable.
pub(super) fn hashed_name(head: &Parts) -> Option<&str> {
    let path = head.uri.path();
    (is_hashed_name(path) && head.uri.query().is_none()).then_some(path)
}

/// Is `path` that of a file below /assets/?
fn is_hashed_name(path: &str) -> bool {
    path.len() > HASHED.len() && path.starts_with(HASHED)
}

/// May a GET or HEAD with `fields` for `path`, without a query, be for an immutable file?
pub(super) fn is_for_immutable(path: &str, fields: &(impl HeaderView + ?Sized)) -> bool {
    is_hashed_name(path) && is_static_path(path) && asks_for_a_file(fields)
}

/// The static file in `response`, if it is one and t3's caching rules for it are understood. t3 knows
/// the length of its files (contract §6): a response without one is something else.
pub(super) fn file_of<B>(response: &Response<B>) -> Option<StaticFile> {
    let headers = response.headers();
    let is_plain = response.status() == StatusCode::OK
        && !has_any(headers, &SPECIAL_FILE)
        && !header_map::has_token(headers, &VARY, "*");
    if !is_plain {
        return None;
    }
    let caching = caching_rules::of(headers)?;
    let length = single(headers, CONTENT_LENGTH)?.parse().ok()?;
    let content_type = essence(single(headers, CONTENT_TYPE)?);
    Some(StaticFile {
        length,
        is_page: content_type == "text/html",
        is_compressible: length >= MIN_COMPRESSIBLE_BYTES && is_compressible(&content_type),
        caching,
        depends_on_client: caching_rules::depends_on_client(headers),
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::http_rules::header_map::from_lines;

    const SCRIPT: [(&str, &str); 2] = [
        ("content-type", "text/javascript; charset=utf-8"),
        ("content-length", "2000"),
    ];

    fn of(status: u16, lines: &[(&str, &str)]) -> Option<StaticFile> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        *response.headers_mut() = from_lines(lines);
        file_of(&response)
    }

    #[test]
    fn a_plain_response_of_known_length_is_a_static_file() {
        let script = of(200, &SCRIPT).expect("a file");
        assert!(script.is_compressible && !script.is_page && script.length == 2000);
        let page = [("content-type", "Text/HTML;charset=utf-8"), SCRIPT[1]];
        assert!(of(200, &page).expect("a file").is_page);
        for other in [
            ("cache-control", "no-store"),
            ("cache-control", ""),
            ("cache-control", "no-cache, no-transform"),
            ("cache-control", "private, no-cache"),
            ("cache-control", "public, max-age=3600"),
            ("cache-control", "private, max-age=31536000, immutable"),
            ("cache-control", "max-age=0, immutable"),
            ("expires", "0"),
            ("pragma", "no-cache"),
            ("content-encoding", "gzip"),
            ("content-range", "bytes 0-1/2"),
            ("set-cookie", "a=b"),
            ("www-authenticate", "Basic"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("vary", "origin, *"),
            ("content-type", "text/html"),
        ] {
            assert_eq!(of(200, &[SCRIPT[0], SCRIPT[1], other]), None, "{other:?}");
        }
        let with_vary = [SCRIPT[0], SCRIPT[1], ("vary", "Origin")];
        assert!(of(200, &with_vary).is_some());
        assert_eq!(of(200, &SCRIPT[..1]), None, "no length");
        assert_eq!(of(200, &SCRIPT[1..]), None, "no type");
        for status in [201, 203, 206, 301, 304, 404, 500] {
            assert_eq!(of(status, &SCRIPT), None, "{status}");
        }
    }

    #[test]
    fn what_t3_says_of_a_file_decides_whether_its_name_is_for_ever() {
        let (hashed, word) = ("/assets/index-BMH8bO9q.js", "/assets/settings-overview.js");
        for (lines, of_hashed, of_word) in [
            (&[][..], true, true),
            (&["no-cache"], true, false),
            (&["No-Cache"], true, false),
            (&["public, max-age=31536000, immutable"], true, true),
            (&["IMMUTABLE,max-age=60"], true, true),
        ] {
            let mut all = vec![SCRIPT[0], SCRIPT[1], ("vary", "Accept-Encoding")];
            all.extend(lines.iter().map(|line| ("cache-control", *line)));
            let script = of(200, &all).expect("a file");
            assert_eq!(script.is_immutable(hashed), of_hashed, "{lines:?}");
            assert_eq!(script.is_immutable(word), of_word, "{lines:?}");
            assert!(!script.depends_on_client, "{lines:?}");
            all[0] = ("content-type", "text/html");
            let page = of(200, &all).expect("a file");
            assert!(!page.is_immutable(hashed), "{lines:?}");
        }
        let twice = [("cache-control", "no-cache"), ("cache-control", "no-cache")];
        assert_eq!(of(200, &[&SCRIPT[..], &twice].concat()), None);
    }

    #[test]
    fn compressible_files_have_a_known_type_and_a_minimum_length() {
        for (content_type, length, expected) in [
            ("text/css", "1024", true),
            ("text/css", "1023", false),
            ("application/json", "5000", true),
            ("application/manifest+json", "5000", true),
            ("image/svg+xml", "5000", true),
            ("image/x-icon", "5000", true),
            ("application/wasm", "5000", true),
            ("font/ttf", "5000", true),
            ("font/woff2", "5000", false),
            ("image/png", "5000", false),
            ("application/octet-stream", "5000", false),
        ] {
            let lines = [("content-type", content_type), ("content-length", length)];
            let file = of(200, &lines).expect("a file");
            assert_eq!(file.is_compressible, expected, "{content_type} {length}");
        }
    }

    fn head(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
        let builder = Request::builder().method(method).uri(target);
        let add = |builder: http::request::Builder, (name, value): &(&str, &str)| {
            builder.header(*name, *value)
        };
        let request = lines.iter().fold(builder, add).body(());
        request.expect("a test's request").into_parts().0
    }

    #[test]
    fn only_a_plain_request_for_a_file_is_eligible() {
        for (method, lines, expected) in [
            ("GET", vec![], true),
            ("HEAD", vec![], true),
            ("GET", vec![("if-none-match", "\"x\"")], true),
            ("GET", vec![("cookie", "t3_session=x")], true),
            ("GET", vec![("cache-control", "no-cache")], true),
            ("POST", vec![], false),
            ("OPTIONS", vec![], false),
            ("GET", vec![("authorization", "Bearer x")], false),
            ("GET", vec![("range", "bytes=0-1")], false),
            ("GET", vec![("if-range", "\"x\"")], false),
            ("GET", vec![("if-match", "\"x\"")], false),
            ("GET", vec![("if-unmodified-since", "x")], false),
            (
                "GET",
                vec![("cache-control", "max-age=0, No-Transform")],
                false,
            ),
        ] {
            let head = head(method, "/a.js", &lines);
            assert_eq!(is_eligible(&head), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn a_path_without_a_file_name_is_eligible_as_a_page_only() {
        let html = [("accept", "text/html")];
        for (target, as_file, as_page) in [
            ("/", true, true),
            ("/favicon.ico", true, true),
            ("/t/1", false, true),
            ("/a.b/c", false, true),
            ("/api/a.js", false, false),
        ] {
            assert_eq!(is_eligible(&head("GET", target, &[])), as_file, "{target}");
            assert_eq!(
                is_eligible(&head("GET", target, &html)),
                as_page,
                "{target}"
            );
        }
    }

    #[test]
    fn only_a_path_below_assets_without_a_query_may_be_immutable() {
        for (target, expected) in [
            ("/assets/a.js", Some("/assets/a.js")),
            ("http://other.test/assets/a.js", Some("/assets/a.js")),
            ("/assets/a.js?1", None),
            ("/assets/", None),
            ("/assets", None),
            ("/StaticAssets/a.js", None),
            ("/a/assets/a.js", None),
        ] {
            let head = head("GET", target, &[]);
            assert_eq!(hashed_name(&head), expected, "{target}");
        }
    }
}
