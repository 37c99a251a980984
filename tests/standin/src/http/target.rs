//! A request target's path and query, from either form.

/// Path and query of a target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

/// Reads origin-form and absolute-form (RFC 9112 §3.2).
pub(crate) fn parse(target: &[u8]) -> Target<'_> {
    let text = std::str::from_utf8(target).unwrap_or("/");
    let text = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => text,
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    Target { path, query }
}

impl<'a> Target<'a> {
    /// The path without the one slash at its end that t3's router tolerates.
    pub(crate) fn route(&self) -> &'a str {
        match self.path.strip_suffix('/') {
            Some("") | None => self.path,
            Some(shorter) => shorter,
        }
    }

    /// The first value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name)?.parse().ok()
    }

    /// Whether the decoded path leaves its root (contract §6: `..%2f` is 400).
    pub(crate) fn climbs(&self) -> bool {
        let decoded = self
            .path
            .replace("%2f", "/")
            .replace("%2F", "/")
            .replace("%2e", ".")
            .replace("%2E", ".");
        decoded != self.path && decoded.split('/').any(|segment| segment == "..")
    }
}

/// Whether a Host value could be a URL's host (contract §6).
pub(crate) fn is_host(host: &str) -> bool {
    let well_formed = |c: u8| c.is_ascii_graphic() && !b"/\\?#@<>^|%\"`{}".contains(&c);
    let port = host
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|_| !host.ends_with(']'));
    let port_is_number = port.is_none_or(|port| port.bytes().all(|c| c.is_ascii_digit()));
    !host.is_empty() && host.bytes().all(well_formed) && port_is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_path_and_query() {
        for target in ["/ws/?wsTicket=a&b=2", "http://h:1/ws/?wsTicket=a&b=2"] {
            let target = parse(target.as_bytes());
            assert_eq!((target.path, target.route()), ("/ws/", "/ws"));
            assert_eq!(target.parameter("wsTicket"), Some("a"));
            assert_eq!(target.number("b"), Some(2));
        }
        assert_eq!(parse(b"http://h").path, "/");
        assert_eq!(parse(b"/x?u=http://y/z").path, "/x");
    }

    #[test]
    fn only_an_encoded_climb_is_refused() {
        assert!(parse(b"/..%2fetc").climbs());
        assert!(parse(b"/%2e%2e/x").climbs());
        assert!(!parse(b"/a%2fb").climbs());
    }

    #[test]
    fn hosts() {
        for good in ["a", "a.b:80", "127.0.0.1:1", "[::1]:80", "[::1]"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "a:x", "%zz"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
