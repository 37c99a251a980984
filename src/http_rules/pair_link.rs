//! Links to t3's own page `/pair`, which bear a credential in their fragment that no server sees. Pure.

use http::HeaderMap;
use http::header::REFERER;

use crate::http_rules::HeaderView;

/// What the query has where a page has found a credential in the fragment: t3's page is to spend it, and the
/// dispatcher to give the browser no session before.
pub const UNPAIRED: &str = "unpaired";

/// Where a request for a page, or the page that sends a request, stands in the way of such a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairLink {
    /// It is no page `/pair`.
    Elsewhere,
    /// It is, and its fragment may bear a credential.
    Possible,
    /// It is, and bears one: t3 takes one in the query too (contract §6).
    Stated,
}

impl PairLink {
    /// That of the page of `path` and `query`.
    pub fn of(path: &str, query: Option<&str>) -> Self {
        // t3's page puts a `=` behind a name that has none.
        let names_one = |part: &str| matches!(part.split('=').next(), Some(UNPAIRED | "token"));
        match path {
            "/pair" | "/pair/" => {
                match query.is_some_and(|query| query.split('&').any(names_one)) {
                    true => Self::Stated,
                    false => Self::Possible,
                }
            }
            _ => Self::Elsewhere,
        }
    }

    /// That of the page that sent a request with `headers`, by its `Referer`.
    pub fn of_sender(headers: &HeaderMap) -> Self {
        let referer = headers.single(&REFERER).map(str::from_utf8);
        let Some(Ok(referer)) = referer else {
            return Self::Elsewhere;
        };
        // Behind the scheme and the host; that these are the own ones is no matter here.
        let rest = referer.split_once("://").map(|(_, rest)| rest);
        let Some(slash) = rest.and_then(|rest| rest.find('/').map(|at| &rest[at..])) else {
            return Self::Elsewhere;
        };
        match slash.split_once('?') {
            Some((path, query)) => Self::of(path, Some(query)),
            None => Self::of(slash, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_link_is_one_to_t3_s_page_and_the_page_s_own_requests_tell_it() {
        use PairLink::{Elsewhere, Possible, Stated};
        for (target, expected) in [
            ("/pair", Possible),
            ("/pair/", Possible),
            ("/pair?", Possible),
            ("/pair?label=x", Possible),
            ("/pair?xtoken=x&unpaired1", Possible),
            ("/pair?a=unpaired", Possible),
            ("/pair?unpaired", Stated),
            ("/pair?unpaired=", Stated),
            ("/pair?label=x&unpaired", Stated),
            ("/pair?token=X", Stated),
            ("/pairs?unpaired", Elsewhere),
            ("/a/pair?unpaired", Elsewhere),
            ("/?unpaired", Elsewhere),
            ("//pair?unpaired", Elsewhere),
            ("/", Elsewhere),
        ] {
            let (path, query) = match target.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (target, None),
            };
            assert_eq!(PairLink::of(path, query), expected, "{target}");
            let referer = format!("https://h.test{target}");
            let headers = from_lines(&[("referer", &referer)]);
            assert_eq!(PairLink::of_sender(&headers), expected, "{referer}");
        }
        let pair = ("referer", "https://h.test/pair?unpaired");
        for lines in [
            &[][..],
            &[pair, pair],
            &[("referer", "https://h.test")],
            &[("referer", "/pair?unpaired")],
        ] {
            assert_eq!(
                PairLink::of_sender(&from_lines(lines)),
                Elsewhere,
                "{lines:?}"
            );
        }
    }
}
