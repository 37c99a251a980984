//! The dispatcher's own origin, and whether an `Origin` or a `Referer` names it. Pure.

use std::fmt;

use http::header::HOST;
use http::{HeaderMap, HeaderName};

use crate::http_rules::HeaderView;
use crate::http_rules::forwarded::{self, Scheme};
use crate::http_rules::grammar::is_host;

static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How much of an origin a log line has, in bytes.
const SHOWN_BYTES: usize = 200;

/// The origin that the dispatcher's pages have in a browser, as one request states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnOrigin<'a> {
    /// `Host`, and a trusted proxy's `X-Forwarded-Host`: either is the dispatcher's name.
    hosts: [Option<&'a [u8]>; 2],
    /// The scheme that a trusted proxy states. Where none does, schemes are not compared.
    scheme: Option<Scheme>,
}

/// The origin of a URL (RFC 6454 §4), of http or https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin<'a> {
    scheme: Scheme,
    /// With its port, where it has one.
    host: &'a [u8],
}

impl<'a> OwnOrigin<'a> {
    /// The origin that the request with `headers` was sent to. Only where `is_trusted` do its
    /// forwarded fields count.
    pub fn of(headers: &'a HeaderMap, is_trusted: bool) -> Self {
        let host = headers.single(&HOST);
        Self {
            hosts: [host, forwarded::host(headers).filter(|_| is_trusted)],
            scheme: forwarded::scheme(headers).filter(|_| is_trusted),
        }
    }

    /// Does `origin`, the value of `Origin`, name it?
    pub fn is_named_by(&self, origin: &[u8]) -> bool {
        Origin::read(origin).is_some_and(|origin| self.is(origin))
    }

    /// Is `url`, the value of `Referer`, one of it?
    pub fn is_of(&self, url: &[u8]) -> bool {
        let scheme_end = url.windows(3).position(|three| three == b"://");
        let host = scheme_end.map_or(0, |end| end + 3);
        let rest = url.get(host..).unwrap_or_default();
        let path = rest.iter().position(|byte| b"/?#".contains(byte));
        let end = path.map_or(url.len(), |path| host + path);
        self.is_named_by(&url[..end])
    }

    fn is(&self, origin: Origin<'_>) -> bool {
        if self.scheme.is_some_and(|scheme| scheme != origin.scheme) {
            return false;
        }
        let named = without_default_port(origin.host, origin.scheme);
        let own = self.hosts.iter().flatten();
        own.map(|host| without_default_port(host, origin.scheme))
            .any(|own| own.eq_ignore_ascii_case(named))
    }
}

impl<'a> Origin<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (scheme, rest) = text.split_at(colon);
        let host = rest.strip_prefix(b"://").filter(|host| is_host(host))?;
        let scheme = match &*scheme.to_ascii_lowercase() {
            b"http" => Scheme::Http,
            b"https" => Scheme::Https,
            _ => return None,
        };
        Some(Self { scheme, host })
    }
}

impl fmt::Display for OwnOrigin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.map_or("", Scheme::name);
        let separator = self.scheme.map_or("", |_| "://");
        let [host, forwarded] = self.hosts;
        let further = forwarded.filter(|further| Some(*further) != host);
        write!(
            formatter,
            "{scheme}{separator}{}",
            shown(host.unwrap_or_default())
        )?;
        match further {
            Some(further) => write!(formatter, " or {scheme}{separator}{}", shown(further)),
            None => Ok(()),
        }
    }
}

/// `origin` for a log line: a part of it, printable.
pub fn shown(origin: &[u8]) -> impl fmt::Display {
    origin[..origin.len().min(SHOWN_BYTES)].escape_ascii()
}

/// `host` without an empty port and without that of `scheme`.
fn without_default_port(host: &[u8], scheme: Scheme) -> &[u8] {
    let default: &[u8] = match scheme {
        Scheme::Http => b":80",
        Scheme::Https => b":443",
    };
    let bare = host.strip_suffix(default).or(host.strip_suffix(b":"));
    bare.unwrap_or(host)
}

/// Does the browser say that a page of another origin sent this? One of the same site is another, too.
pub fn is_of_another_origin(header: &(impl HeaderView + ?Sized)) -> bool {
    let mut sites = header.lines(&FETCH_SITE);
    sites.any(|site| !matches!(site, b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn an_origin_is_own_only_if_it_names_the_host() {
        for (origin, host, expected) in [
            ("https://h.test", "h.test", true),
            ("https://h.test", "H.test", true),
            ("HTTPS://h.test", "h.test", true),
            ("https://h.test", "h.test:443", true),
            ("https://h.test", "h.test:", true),
            ("http://h.test:80", "h.test", true),
            ("http://h.test:8080", "h.test:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]", "[::1]:80", true),
            ("https://h.test", "h.test:80", false),
            ("http://h.test", "h.test:443", false),
            ("http://h.test:8080", "h.test", false),
            ("https://evil.test", "h.test", false),
            ("https://h.test.evil.test", "h.test", false),
            ("https://h.test@evil.test", "h.test", false),
            ("https://evil.test@h.test", "h.test", false),
            ("https://h.test/", "h.test", false),
            ("https:h.test", "h.test", false),
            ("null", "h.test", false),
            ("file://h.test", "h.test", false),
            ("", "h.test", false),
        ] {
            let headers = from_lines(&[("host", host)]);
            let own = OwnOrigin::of(&headers, false);
            assert_eq!(
                own.is_named_by(origin.as_bytes()),
                expected,
                "{origin} at {host}"
            );
        }
    }

    #[test]
    fn a_trusted_proxy_states_the_scheme_and_another_host() {
        let (host, proto) = ("x-forwarded-host", "x-forwarded-proto");
        for (origin, fields, trusted, other) in [
            ("https://pub.test", vec![(host, "pub.test")], true, false),
            ("https://t3.test", vec![(host, "pub.test")], true, true),
            (
                "https://pub.test",
                vec![(host, "pub.test, t3.test")],
                true,
                false,
            ),
            (
                "https://b.test",
                vec![(host, "pub.test, b.test")],
                false,
                false,
            ),
            (
                "https://pub.test:8443",
                vec![(host, "pub.test:8443")],
                true,
                false,
            ),
            (
                "https://pub.test",
                vec![(host, "pub.test:443")],
                true,
                false,
            ),
            ("https://t3.test", vec![(proto, "https")], true, true),
            ("https://t3.test", vec![(proto, "wss")], true, true),
            ("https://t3.test", vec![(proto, "https, http")], true, true),
            ("http://t3.test", vec![(proto, "https")], false, true),
            ("https://t3.test", vec![(proto, "http")], false, true),
            ("https://t3.test:443", vec![(proto, "https")], true, true),
            ("http://t3.test:443", vec![(proto, "https")], false, false),
            ("https://t3.test", vec![(proto, "gopher")], true, true),
        ] {
            let headers = from_lines(&[&[("host", "t3.test")], &*fields].concat());
            for (is_trusted, expected) in [(true, trusted), (false, other)] {
                let own = OwnOrigin::of(&headers, is_trusted);
                let is_own = own.is_named_by(origin.as_bytes());
                assert_eq!(is_own, expected, "{origin} {fields:?} {is_trusted}");
            }
        }
    }

    #[test]
    fn a_referer_is_of_the_origin_that_it_begins_with() {
        let headers = from_lines(&[("host", "h.test")]);
        let own = OwnOrigin::of(&headers, false);
        for (referer, expected) in [
            ("https://h.test/", true),
            ("https://h.test/t/1?a=b#c", true),
            ("https://h.test?a", true),
            ("https://h.test", true),
            ("https://evil.test/https://h.test/", false),
            ("https://h.test@evil.test/", false),
            ("https://h.test.evil.test/", false),
            ("about:blank", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(own.is_of(referer.as_bytes()), expected, "{referer}");
        }
    }

    #[test]
    fn a_log_line_names_what_is_compared() {
        let headers = from_lines(&[
            ("host", "t3.test"),
            ("x-forwarded-host", "pub.test"),
            ("x-forwarded-proto", "https"),
        ]);
        for (is_trusted, expected) in [
            (true, "https://t3.test or https://pub.test"),
            (false, "t3.test"),
        ] {
            let own = OwnOrigin::of(&headers, is_trusted);
            assert_eq!(own.to_string(), expected);
        }
        assert_eq!(shown(b"a\nb").to_string(), "a\\nb");
        assert_eq!(shown(&[b'a'; 300]).to_string().len(), SHOWN_BYTES);
    }

    #[test]
    fn a_browser_tells_its_own_pages_and_the_person_from_other_origins() {
        let site = |value| ("sec-fetch-site", value);
        for (lines, expected) in [
            (vec![], false),
            (vec![site("same-origin")], false),
            (vec![site("none")], false),
            (vec![site("same-site")], true),
            (vec![site("cross-site")], true),
            (vec![site("")], true),
            (vec![site("None")], true),
            (vec![site("none"), site("cross-site")], true),
            (vec![site("none, cross-site")], true),
        ] {
            assert_eq!(
                is_of_another_origin(&from_lines(&lines)),
                expected,
                "{lines:?}"
            );
        }
    }
}
