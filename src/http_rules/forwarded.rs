//! The forwarded fields: whom a request comes from as trusted proxies state it, and what t3 is told. Pure.

use std::net::{IpAddr, SocketAddr};

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::http_rules::HeaderView;
use crate::http_rules::grammar::{is_host, list_members};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The scheme of a request, as the browser has it in its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, and `ws` for a WebSocket.
    Http,
    /// `https`, and `wss` for a WebSocket.
    Https,
}

impl Scheme {
    /// Its name in an origin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn read(text: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| text.eq_ignore_ascii_case(name);
        if is(b"https") || is(b"wss") {
            return Some(Self::Https);
        }
        (is(b"http") || is(b"ws")).then_some(Self::Http)
    }
}

/// The client's address as a trusted proxy saw it: the last one stated that is no trusted proxy
/// itself. What stands before it came from the client.
pub fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut client = peer;
    for line in lines.iter().rev() {
        for stated in list_members(line.as_bytes()).rev() {
            let Some(address) = address(stated) else {
                return client;
            };
            client = address;
            if !trusted.iter().any(|network| network.contains(&address)) {
                return client;
            }
        }
    }
    client
}

/// An address, with or without a port, in brackets or not: `192.0.2.1:567`, `[::1]:567`, `[::1]`.
fn address(stated: &[u8]) -> Option<IpAddr> {
    let stated = std::str::from_utf8(stated).ok()?;
    let bare = stated
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => stated.parse().ok(),
    };
    let address = address.or_else(|| Some(stated.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The scheme that the client spoke, where a proxy states it: the first one of a list, as every proxy
/// of a chain may add its own. To be asked only of a trusted proxy's request.
pub fn scheme(header: &(impl HeaderView + ?Sized)) -> Option<Scheme> {
    let stated = header.lines(&FORWARDED_PROTO).next()?;
    Scheme::read(first(stated))
}

/// The host that the client asked for, where a proxy states it: the first one of a list. To be asked
/// only of a trusted proxy's request.
pub fn host(header: &(impl HeaderView + ?Sized)) -> Option<&[u8]> {
    let stated = header.lines(&FORWARDED_HOST).next()?;
    Some(first(stated)).filter(|host| is_host(host))
}

fn first(list: &[u8]) -> &[u8] {
    list_members(list).next().unwrap_or_default()
}

/// What t3 is told instead of `stated`, a trusted proxy's `X-Forwarded-Proto`, where it would not
/// understand that: it knows `http` and `https` (contract §4, §7). None where it may go on as it is.
pub fn told_proto(stated: &[u8]) -> Option<&[u8]> {
    let told = Scheme::read(first(stated))?.name().as_bytes();
    (told != stated).then_some(told)
}

/// The same of `X-Forwarded-Host`: t3 is told the first of a list.
pub fn told_host(stated: &[u8]) -> Option<&[u8]> {
    Some(first(stated)).filter(|host| *host != stated && is_host(host))
}

/// Writes the fields that tell t3 who the client is, each as a name and the parts of its value: of a
/// trusted peer, its own `X-Forwarded-For` (`held`) with the peer appended; of anyone else, what is
/// known of the peer.
pub fn write<'a>(
    is_trusted: bool,
    held: Option<&'a [u8]>,
    peer: &'a str,
    host: Option<&'a [u8]>,
    mut line: impl FnMut(&'static str, &[&'a [u8]]),
) {
    let peer = peer.as_bytes();
    match held.filter(|_| is_trusted) {
        Some(held) => line("x-forwarded-for", &[held, b", ", peer]),
        None => line("x-forwarded-for", &[peer]),
    }
    if !is_trusted {
        line("x-forwarded-proto", &[b"http"]);
        if let Some(host) = host {
            line("x-forwarded-host", &[host]);
        }
    }
}

/// Writes them to a request whose other forwarded fields the header policy has judged.
pub fn set(headers: &mut HeaderMap, is_trusted: bool, peer: IpAddr) {
    if is_trusted {
        restate(headers, &FORWARDED_PROTO, told_proto);
        restate(headers, &FORWARDED_HOST, told_host);
    }
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let lines: Vec<_> = lines.into_iter().map(HeaderValue::as_bytes).collect();
    let held = (!lines.is_empty()).then(|| lines.join(&b", "[..]));
    let host = headers.get(HOST).cloned();
    let peer = peer.to_string();
    let host = host.as_ref().map(HeaderValue::as_bytes);
    write(is_trusted, held.as_deref(), &peer, host, |name, parts| {
        if let Ok(value) = HeaderValue::from_bytes(&parts.concat()) {
            headers.insert(name, value);
        }
    });
}

/// Leaves of the lines of `name` the first one, as t3 is told it by `told`.
fn restate(headers: &mut HeaderMap, name: &HeaderName, told: impl Fn(&[u8]) -> Option<&[u8]>) {
    let Some(first) = headers.get(name) else {
        return;
    };
    let told = told(first.as_bytes()).map(HeaderValue::from_bytes);
    let first = match told {
        Some(Ok(told)) => told,
        _ => first.clone(),
    };
    headers.insert(name.clone(), first);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;
    use crate::http_rules::header_policy::HeaderPolicy;
    use crate::http_rules::withhold::withhold;

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let lines = headers.iter();
        let lines = lines.map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        lines.collect()
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn the_client_is_whom_the_last_trusted_proxy_saw() {
        let trusted: [IpNet; 1] = ["10.0.0.0/8".parse().expect("a network")];
        for (held, expected) in [
            (vec![], "10.0.0.7"),
            (vec!["203.0.113.9"], "203.0.113.9"),
            (vec!["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (vec!["1.1.1.1", "203.0.113.9, 10.0.0.1"], "203.0.113.9"),
            (vec!["1.1.1.1, unknown, 10.0.0.1"], "10.0.0.1"),
            (vec!["rubbish"], "10.0.0.7"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            (vec!["203.0.113.9:567"], "203.0.113.9"),
            (vec!["203.0.113.9, 10.0.0.1:8080"], "203.0.113.9"),
            (vec!["203.0.113.9, ::ffff:10.0.0.1"], "203.0.113.9"),
            (vec!["[2001:db8::1]:567"], "2001:db8::1"),
            (vec!["[2001:db8::1]"], "2001:db8::1"),
            (vec!["[203.0.113.9]"], "10.0.0.7"),
            (vec!["[2001:db8::1"], "10.0.0.7"),
        ] {
            let held: Vec<_> = held.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let client = client(&from_lines(&held), PEER, &trusted);
            assert_eq!(client.to_string(), expected, "{held:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_s_fields_are_kept_and_appended() {
        let mut headers = from_lines(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_proto", "http"),
            ("x-forwarded-for", "2.2.2.2"),
        ]);
        assert_eq!(scheme(&headers), Some(Scheme::Https));
        withhold(&mut headers, &HeaderPolicy::default(), true);
        set(&mut headers, true, PEER);
        let mut kept = lines(&headers);
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.7"),
                ("x-forwarded-proto", "https")
            ]
        );
    }

    #[test]
    fn t3_is_told_what_was_understood_of_a_proxy_s_scheme_and_host() {
        for (stated, understood, told) in [
            ("https", Some(Scheme::Https), None),
            ("HTTPS", Some(Scheme::Https), Some("https")),
            ("wss", Some(Scheme::Https), Some("https")),
            ("ws", Some(Scheme::Http), Some("http")),
            ("https,http", Some(Scheme::Https), Some("https")),
            ("https, https", Some(Scheme::Https), Some("https")),
            ("http, https", Some(Scheme::Http), Some("http")),
            (",https", None, None),
            ("", None, None),
        ] {
            let headers = from_lines(&[("x-forwarded-proto", stated)]);
            assert_eq!(scheme(&headers), understood, "{stated}");
            assert_eq!(
                told_proto(stated.as_bytes()),
                told.map(str::as_bytes),
                "{stated}"
            );
        }
        for (stated, understood, told) in [
            ("h.test", Some("h.test"), None),
            (
                "h.test:8080, t3.test",
                Some("h.test:8080"),
                Some("h.test:8080"),
            ),
            ("u@h.test", None, None),
            ("", None, None),
        ] {
            let headers = from_lines(&[("x-forwarded-host", stated)]);
            assert_eq!(host(&headers), understood.map(str::as_bytes), "{stated}");
            assert_eq!(
                told_host(stated.as_bytes()),
                told.map(str::as_bytes),
                "{stated}"
            );
        }
        let mut headers = from_lines(&[
            ("x-forwarded-proto", "wss"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "h.test, t3.test"),
        ]);
        set(&mut headers, true, PEER);
        let expected = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "h.test"),
            ("x-forwarded-for", "10.0.0.7"),
        ];
        assert_eq!(lines(&headers), expected);
    }

    #[test]
    fn anyone_else_s_are_replaced() {
        let mut headers = from_lines(&[
            ("host", "h.test"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("x.forwarded.for", "1.1.1.1"),
        ]);
        withhold(&mut headers, &HeaderPolicy::default(), false);
        set(&mut headers, false, PEER);
        assert_eq!(
            lines(&headers),
            [
                ("host", "h.test"),
                ("x-forwarded-for", "10.0.0.7"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "h.test")
            ]
        );
    }
}
