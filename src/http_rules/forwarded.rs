//! The forwarded fields: whom a request comes from as trusted proxies state it, and what t3 is told. Pure.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::http_rules::HeaderView;
use crate::http_rules::grammar::list_members;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client's address as a trusted proxy saw it: the last one stated that is no trusted proxy
/// itself. What stands before it came from the client.
pub fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut client = peer;
    for line in lines.iter().rev() {
        for stated in list_members(line.as_bytes()).rev() {
            let stated = std::str::from_utf8(stated).unwrap_or_default().trim();
            let Ok(address) = stated.parse::<IpAddr>() else {
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

/// Did the client speak https to the trusted proxy? One value, and exactly that.
pub fn is_https(header: &(impl HeaderView + ?Sized)) -> bool {
    let stated = header.single(&FORWARDED_PROTO);
    stated.is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::{from_lines, withhold};
    use crate::http_rules::header_policy::HeaderPolicy;

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
        assert!(is_https(&headers));
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
