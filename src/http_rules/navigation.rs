//! Is a request the load of a page by a person's browser? Pure.

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, Method};

/// Is this the load of a page by a person's browser, whether or not it has a session?
///
/// `Sec-Fetch-Dest: document` decides; a client that does not send that field is judged by its
/// `Accept`. A prefetch (`Sec-Purpose`) is nobody's page load, and a request that brings
/// `Authorization` speaks for itself.
pub fn is_page_load(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && !headers.contains_key(AUTHORIZATION)
        && !is_ahead_of_time(headers)
        && headers
            .get_all("sec-fetch-mode")
            .iter()
            .all(|mode| mode == "navigate")
        && wants_document(headers)
}

/// A prefetch or a prerendering, by the field of today or those of yesterday.
fn is_ahead_of_time(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-purpose")
        || ["purpose", "x-moz", "x-purpose"]
            .iter()
            .any(|name| headers.contains_key(*name))
}

/// Would the answer be shown to a person as a page?
pub fn wants_document(headers: &HeaderMap) -> bool {
    let mut destinations = headers.get_all("sec-fetch-dest").iter();
    match destinations.next() {
        Some(first) => first == "document" && destinations.next().is_none(),
        None => headers
            .get_all(ACCEPT)
            .iter()
            .any(|accept| names_html(accept.as_bytes())),
    }
}

fn names_html(accept: &[u8]) -> bool {
    accept
        .split(|byte| *byte == b',')
        .filter_map(|range| range.split(|byte| *byte == b';').next())
        .any(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::http_rules::header_policy::from_lines;

    #[test]
    fn a_page_load_is_a_navigation_and_nothing_else() {
        let html = (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        for (method, lines, expected) in [
            (Method::GET, vec![("sec-fetch-dest", "document")], true),
            (Method::GET, vec![html], true),
            (
                Method::GET,
                vec![("accept", "application/xml, TEXT/HTML;q=0.9")],
                true,
            ),
            (Method::GET, vec![("accept", "*/*")], false),
            (Method::GET, vec![("accept", "text/html-x")], false),
            (Method::GET, vec![], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "empty")], false),
            (
                Method::GET,
                vec![html, ("sec-fetch-mode", "no-cors")],
                false,
            ),
            (
                Method::GET,
                vec![html, ("sec-fetch-mode", "navigate")],
                true,
            ),
            (Method::GET, vec![html, ("sec-fetch-dest", "iframe")], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "image")], false),
            (
                Method::GET,
                vec![("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
                false,
            ),
            (
                Method::GET,
                vec![
                    ("sec-fetch-dest", "document"),
                    ("authorization", "Bearer x"),
                ],
                false,
            ),
            (Method::POST, vec![("sec-fetch-dest", "document")], false),
            (Method::HEAD, vec![html], false),
        ] {
            assert_eq!(
                is_page_load(&method, &from_lines(&lines)),
                expected,
                "{method} {lines:?}"
            );
        }
    }
}
