//! Is a request one for a static file, as far as it can tell by itself? Pure.

use http::Method;
use http::header::{AUTHORIZATION, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::request::Parts;

use crate::http_rules::paths::{HASHED, is_file_path, is_static_path};
use crate::http_rules::{navigation, transform};

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
        && !transform::is_forbidden(&head.headers)
}

/// The name under which a file is kept: its path, where that carries the content's hash and no
/// query says more.
pub(super) fn hashed_name(head: &Parts) -> Option<&str> {
    let path = head.uri.path();
    let is_hashed = path.len() > HASHED.len() && path.starts_with(HASHED);
    (is_hashed && head.uri.query().is_none()).then_some(path)
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
