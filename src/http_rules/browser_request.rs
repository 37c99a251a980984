//! Is a request the load of a page by a person's browser? Pure.

use http::header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method, Uri};

use crate::http_rules::grammar::list_members;

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

/// Is the answer loaded into a tab or a frame? A client that does not send `Sec-Fetch-Dest` is judged
/// by its `Accept`.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    let mut destinations = headers.get_all("sec-fetch-dest").iter();
    match headers.contains_key("sec-fetch-dest") {
        true => destinations.any(|named| is_navigation_destination(named.as_bytes())),
        false => wants_document(headers),
    }
}

/// Does this `Sec-Fetch-Dest` stand for a tab or a frame?
pub fn is_navigation_destination(destination: &[u8]) -> bool {
    matches!(
        destination,
        b"document" | b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe"
    )
}

fn names_html(accept: &[u8]) -> bool {
    list_members(accept)
        .filter_map(|range| range.split(|byte| *byte == b';').next())
        .any(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

/// An upgrade by a script of this origin's own page: `Origin` names the host that was asked, and
/// nothing says that another site is behind it (contract §5: t3 itself checks neither).
pub fn is_own_upgrade(headers: &HeaderMap) -> bool {
    let dest = headers.get("sec-fetch-dest");
    let is_socket = dest.is_none_or(|dest| dest == "websocket" || dest == "empty");
    is_socket && origin_is_host(headers) && !is_from_elsewhere(headers)
}

/// A fetch by a script of this origin's own page. A same-origin GET carries no `Origin`; that a
/// browser says where it came from is what tells it from everything else.
pub fn is_own_fetch(headers: &HeaderMap) -> bool {
    let says = |name, value: &str| headers.get(name).is_some_and(|held| held == value);
    says("sec-fetch-site", "same-origin")
        && !says("sec-fetch-dest", "document")
        && (!headers.contains_key(ORIGIN) || origin_is_host(headers))
}

/// Does `Origin` name the host that was asked? False where one of them is missing or repeated.
pub fn origin_is_host(headers: &HeaderMap) -> bool {
    let single = |name| {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.to_str().ok(),
            _ => None,
        }
    };
    let (Some(origin), Some(host)) = (single(ORIGIN), single(HOST)) else {
        return false;
    };
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("https") => ":443",
        Some("http") => ":80",
        _ => return false,
    };
    let bare = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        authority
            .strip_suffix(default_port)
            .map_or_else(|| authority.clone(), str::to_owned)
    };
    origin
        .authority()
        .is_some_and(|authority| bare(authority.as_str()) == bare(host))
}

/// Does the browser say that another origin started this?
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site != "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_page_load_is_a_navigation_and_nothing_else() {
        let html = (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        for (method, lines, expected) in [
            (Method::GET, vec![("sec-fetch-dest", "document")], true),
            (Method::GET, vec![html], true),
            (Method::GET, vec![("accept", "a/b, TEXT/HTML;q=0.9")], true),
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

    #[test]
    fn an_origin_is_own_only_if_it_names_the_host() {
        for (origin, host, expected) in [
            ("https://h.test", "h.test", true),
            ("https://h.test", "H.test", true),
            ("https://h.test", "h.test:443", true),
            ("http://h.test:80", "h.test", true),
            ("http://h.test:8080", "h.test:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("https://h.test", "h.test:80", false),
            ("http://h.test:8080", "h.test", false),
            ("https://evil.test", "h.test", false),
            ("https://h.test.evil.test", "h.test", false),
            ("https://h.test@evil.test", "h.test", false),
            ("null", "h.test", false),
            ("file://h.test", "h.test", false),
            ("", "h.test", false),
        ] {
            let headers = from_lines(&[("origin", origin), ("host", host)]);
            assert_eq!(origin_is_host(&headers), expected, "{origin} at {host}");
        }
        let twice = from_lines(&[
            ("origin", "https://h.test"),
            ("origin", "https://h.test"),
            ("host", "h.test"),
        ]);
        assert!(!origin_is_host(&twice));
    }

    #[test]
    fn an_upgrade_from_elsewhere_is_not_own() {
        let own = [("origin", "https://h.test"), ("host", "h.test")];
        for (further, expected) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-dest", "websocket")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-dest", "document")], false),
        ] {
            let headers = from_lines(&[&own[..], &further].concat());
            assert_eq!(is_own_upgrade(&headers), expected, "{further:?}");
        }
        assert!(!is_own_upgrade(&from_lines(&[("host", "h.test")])));
    }

    #[test]
    fn a_fetch_is_own_only_if_the_browser_says_so() {
        for (lines, expected) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-dest", "empty"),
                ],
                true,
            ),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-dest", "document"),
                ],
                false,
            ),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![], false),
        ] {
            assert_eq!(is_own_fetch(&from_lines(&lines)), expected, "{lines:?}");
        }
    }
}
