//! Is a request one for a static file, as far as it can tell by itself? Pure.

use http::Method;
use http::header::{AUTHORIZATION, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::request::Parts;
use memchr::{memchr, memrchr};

use crate::transforming;

use crate::navigation;

/// Where t3 keeps what is no static file, by the first segment of the path.
const ELSEWHERE: [&str; 5] = ["api", "attachments", "oauth", ".well-known", "ws"];

/// Where the names are that carry their content's hash (contract §6).
const HASHED: &str = "/assets/";

/// Fields with which a request asks for more than the file, or for less.
const SPECIAL: [http::HeaderName; 5] = [
    AUTHORIZATION,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
];

/// May the answer to a request without a body be a static file?
pub(super) fn is_eligible(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && (is_file_path(head.uri.path())
            || (is_static_path(head.uri.path()) && navigation::wants_document(&head.headers)))
        && SPECIAL.iter().all(|name| !head.headers.contains_key(name))
        && !transforming::is_forbidden(&head.headers)
}

/// The name under which a file is kept: its path, where that carries the content's hash and no
/// query says more.
pub(super) fn hashed_name(head: &Parts) -> Option<&str> {
    let path = head.uri.path();
    let is_hashed = path.len() > HASHED.len() && path.starts_with(HASHED);
    (is_hashed && head.uri.query().is_none()).then_some(path)
}

/// A static path that is a file's by its look: the root, what is below /assets/, or a name with an
/// extension. t3's page is the answer to every other path too (contract §6), but nobody asks for
/// it there except as a page.
pub fn is_file_path(path: &str) -> bool {
    let name = memrchr(b'/', path.as_bytes()).map_or(path, |slash| &path[slash..]);
    let is_file =
        path == "/" || path.starts_with(HASHED) || memchr(b'.', name.as_bytes()).is_some();
    is_file && is_static_path(path)
}

/// A path that t3 can read in one way only, and that leads to none of its other rooms.
pub fn is_static_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    if ELSEWHERE
        .iter()
        .any(|room| first.eq_ignore_ascii_case(room))
    {
        return false;
    }
    !path.contains(['%', '\\', ';'])
        && !path.contains("//")
        && !rest.split('/').any(|segment| segment.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
        let builder = Request::builder().method(method).uri(target);
        let add = |builder: http::request::Builder, (name, value): &(&str, &str)| {
            builder.header(*name, *value)
        };
        let request = lines.iter().fold(builder, add).body(());
        request.expect("a test's request").into_parts().0
    }

    #[test]
    fn static_paths_are_told_from_the_others() {
        for (target, expected) in [
            ("/", true),
            ("/?a=%2e", true),
            ("/t/1", true),
            ("/assets/a.js", true),
            ("/apple-touch-icon.png", true),
            ("/apixyz", true),
            ("/a/api", true),
            ("/attachments-of-mine", true),
            ("http://other.test/", true),
            ("/api", false),
            ("/api/", false),
            ("/api/x", false),
            ("/API/x", false),
            ("/attachments/1", false),
            ("/oauth/token", false),
            ("/.well-known/t3/environment", false),
            ("/.WELL-KNOWN/x", false),
            ("/ws", false),
            ("/ws/", false),
            ("/%61pi/x", false),
            ("/assets/%2e%2e/api/x", false),
            ("/assets/../api/x", false),
            ("/assets/./a.js", false),
            ("/./api/x", false),
            ("/assets/..", false),
            ("//api/x", false),
            ("/x//api", false),
            ("/x\\..\\api", false),
            ("/api;x/y", false),
            ("*", false),
        ] {
            let Ok(uri) = target.parse::<http::Uri>() else {
                continue;
            };
            assert_eq!(is_static_path(uri.path()), expected, "{target}");
        }
    }

    #[test]
    fn only_a_plain_question_for_a_file_is_eligible() {
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
    fn where_no_file_can_be_only_a_page_is_looked_for() {
        let html = [("accept", "text/html")];
        for (target, alone, as_page) in [
            ("/", true, true),
            ("/favicon.ico", true, true),
            ("/t/1", false, true),
            ("/a.b/c", false, true),
            ("/api/a.js", false, false),
        ] {
            assert_eq!(is_eligible(&head("GET", target, &[])), alone, "{target}");
            assert_eq!(
                is_eligible(&head("GET", target, &html)),
                as_page,
                "{target}"
            );
        }
    }

    #[test]
    fn only_a_bare_name_below_assets_carries_a_hash() {
        for (target, expected) in [
            ("/assets/a.js", Some("/assets/a.js")),
            ("http://other.test/assets/a.js", Some("/assets/a.js")),
            ("/assets/a.js?1", None),
            ("/assets/", None),
            ("/assets", None),
            ("/Assets/a.js", None),
            ("/a/assets/a.js", None),
        ] {
            let head = head("GET", target, &[]);
            assert_eq!(hashed_name(&head), expected, "{target}");
        }
    }
}
