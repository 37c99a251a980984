//! What a request says of the browser and of the page that sent it. Pure.

use http::header::{ACCEPT, ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use crate::http_rules::grammar::list_members;
use crate::http_rules::origin::OwnOrigin;
use crate::http_rules::{HeaderView, credentials};

/// The most of what a browser calls itself that is kept and sent on, in bytes: the heads that t3 reads
/// end at 16 KiB (contract §7).
const USER_AGENT_BYTES: usize = 1024;

/// What the browser that sent `headers` calls itself, cut at the end of a character. A copy: a part of
/// the request's buffer would keep all of it.
pub fn user_agent(headers: &HeaderMap) -> Option<HeaderValue> {
    let name = headers.get(USER_AGENT)?.as_bytes();
    let mut end = name.len().min(USER_AGENT_BYTES);
    // Bytes that begin with 10 continue a character of UTF-8.
    while end > 0 && name.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    HeaderValue::from_bytes(name[..end].trim_ascii_end()).ok()
}

/// Is this the load of a page by a person's browser, whether or not it has a session?
///
/// `Sec-Fetch-Dest: document` decides; a client that does not send that field is judged by its
/// `Accept`. A prefetch (`Sec-Purpose`) is nobody's page load, and a request that states a token or
/// the proof of one speaks for itself.
pub fn is_page_load(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && !credentials::are_stated(headers)
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

/// An upgrade by a script of this origin's own page: `Origin` names it, and nothing says that another
/// site is behind it (contract §5: t3 itself checks neither). `is_proxied` says whether the forwarded
/// fields are a trusted proxy's.
pub fn is_own_upgrade(headers: &HeaderMap, is_proxied: bool) -> bool {
    let dest = headers.get("sec-fetch-dest");
    let is_socket = dest.is_none_or(|dest| dest == "websocket" || dest == "empty");
    is_socket && origin_is_own(headers, is_proxied) && !is_from_elsewhere(headers)
}

/// A form that this origin's own page sent: `Origin` names it, and nothing says that another origin is behind it. A
/// browser states `Origin` for every POST, as `null` where the page's own policy sends no `Referer` (Fetch standard,
/// "append a request `Origin` header").
pub fn is_own_form(headers: &HeaderMap, is_proxied: bool) -> bool {
    origin_is_own(headers, is_proxied) && !is_from_elsewhere(headers)
}

/// A fetch by a script of this origin's own page. A same-origin GET carries no `Origin`; that a
/// browser says where it came from is what tells it from everything else. One that sends no
/// `Sec-Fetch-*`, as over plain http and where it is older than these, says it by `Referer`.
pub fn is_own_fetch(headers: &HeaderMap, is_proxied: bool) -> bool {
    let has_origin = headers.contains_key(ORIGIN);
    if has_origin && !origin_is_own(headers, is_proxied) {
        return false;
    }
    match headers.get("sec-fetch-site") {
        Some(_) => {
            let is_document = headers.get("sec-fetch-dest");
            !is_from_elsewhere(headers) && is_document.is_none_or(|dest| dest != "document")
        }
        None => {
            !headers
                .keys()
                .any(|name| name.as_str().starts_with("sec-fetch-"))
                && !wants_document(headers)
                && (has_origin || referer_is_own(headers, is_proxied))
        }
    }
}

/// Does `Origin` name the origin that was asked? False where it is missing or repeated.
pub fn origin_is_own(headers: &HeaderMap, is_proxied: bool) -> bool {
    let origin = headers.single(&ORIGIN);
    origin.is_some_and(|origin| OwnOrigin::of(headers, is_proxied).is_named_by(origin))
}

/// Is the page that sent it one of the origin that was asked?
fn referer_is_own(headers: &HeaderMap, is_proxied: bool) -> bool {
    let referer = headers.single(&REFERER);
    referer.is_some_and(|referer| OwnOrigin::of(headers, is_proxied).is_of(referer))
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
            (
                Method::GET,
                vec![("sec-fetch-dest", "document"), ("dpop", "x")],
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
    fn two_origins_are_none() {
        let once = [("origin", "https://h.test"), ("host", "h.test")];
        assert!(origin_is_own(&from_lines(&once), false));
        let twice = from_lines(&[
            ("origin", "https://h.test"),
            ("origin", "https://h.test"),
            ("host", "h.test"),
        ]);
        assert!(!origin_is_own(&twice, false));
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
            assert_eq!(is_own_upgrade(&headers, false), expected, "{further:?}");
        }
        assert!(!is_own_upgrade(&from_lines(&[("host", "h.test")]), false));
    }

    #[test]
    fn a_user_agent_is_cut_at_the_end_of_a_character() {
        let long = "x".repeat(1023);
        for (sent, expected) in [
            ("Mozilla/5.0".to_owned(), "Mozilla/5.0".to_owned()),
            (format!("{long}yz"), format!("{long}y")),
            (format!("{long}\u{e9}z"), long.clone()),
            (format!("{long}\u{1f600}"), long.clone()),
            (format!("{long} z"), long.clone()),
        ] {
            let headers = from_lines(&[("user-agent", &sent)]);
            let kept = user_agent(&headers).expect("a value");
            assert_eq!(kept.as_bytes(), expected.as_bytes());
        }
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }

    #[test]
    fn a_fetch_is_own_only_if_the_browser_says_so() {
        let same_origin = ("sec-fetch-site", "same-origin");
        let referer = ("referer", "https://h.test/t/1?a=b");
        for (lines, expected) in [
            (vec![same_origin], true),
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
            (vec![same_origin, ("sec-fetch-site", "cross-site")], false),
            (vec![same_origin, ("origin", "https://h.test")], true),
            (vec![same_origin, ("origin", "https://evil.test")], false),
            (vec![("origin", "https://h.test")], true),
            (vec![("origin", "https://evil.test")], false),
            (vec![("origin", "https://evil.test"), referer], false),
            (vec![("origin", "null"), referer], false),
            (vec![referer], true),
            (vec![("referer", "https://h.test")], true),
            (
                vec![("referer", "https://evil.test/?https://h.test/")],
                false,
            ),
            (vec![referer, referer], false),
            (vec![referer, ("accept", "text/html")], false),
            (vec![referer, ("sec-fetch-dest", "empty")], false),
            (vec![referer, ("sec-fetch-site", "cross-site")], false),
            (vec![], false),
        ] {
            let headers = from_lines(&[&[("host", "h.test")], &*lines].concat());
            assert_eq!(is_own_fetch(&headers, false), expected, "{lines:?}");
        }
    }
}
