//! Whom a request comes from by the fields that proxies add: kept from a believed one, replaced
//! from anyone else. Pure.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::access::identity::canonical;
use crate::http_rules::header_policy;
use crate::http_rules::header_view::Fields;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The client's address as a believed proxy saw it: the last one named that is no believed proxy
/// itself. What stands before it came from the client.
pub fn client(headers: &HeaderMap, peer: IpAddr, believed: &[IpNet]) -> IpAddr {
    let lines: Vec<_> = headers.get_all(FOR).iter().collect();
    let mut client = peer;
    for line in lines.iter().rev() {
        for named in line.as_bytes().rsplit(|byte| *byte == b',') {
            let named = std::str::from_utf8(named).unwrap_or_default().trim();
            let Ok(address) = named.parse::<IpAddr>() else {
                return client;
            };
            client = address;
            if !believed.iter().any(|network| network.contains(&address)) {
                return client;
            }
        }
    }
    client
}

/// Did the client speak https to the believed proxy? One value, and exactly that.
pub fn is_https(fields: &(impl Fields + ?Sized)) -> bool {
    let stated = fields.single(&PROTO);
    stated.is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"))
}

/// From a believed proxy: everything stays, and the peer is appended to `X-Forwarded-For`.
pub fn append(headers: &mut HeaderMap, peer: IpAddr) {
    drop_twins(headers);
    let mut line = Vec::new();
    for held in headers.get_all(FOR) {
        line.extend_from_slice(held.as_bytes());
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(peer.to_string().as_bytes());
    if let Ok(line) = HeaderValue::from_bytes(&line) {
        headers.insert(FOR, line);
    }
}

/// From anyone else: what it says of itself goes, and what is known of it is told instead.
pub fn replace(headers: &mut HeaderMap, peer: IpAddr) {
    drop_twins(headers);
    header_policy::retain(headers, |name| {
        let is_known = name.as_str().starts_with("x-forwarded-");
        !is_known && name != FORWARDED && name != REAL_IP
    });
    if let Ok(peer) = HeaderValue::try_from(peer.to_string()) {
        headers.append(FOR, peer);
    }
    headers.append(PROTO.clone(), HeaderValue::from_static("http"));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.append(FORWARDED_HOST, host);
    }
}

/// Other spellings of these fields come from no proxy (CVE-2025-64484).
fn drop_twins(headers: &mut HeaderMap) {
    header_policy::retain(headers, |name| {
        let canonical = canonical(name);
        let is_ours = canonical.starts_with("x-forwarded-") || canonical == REAL_IP.as_str();
        !is_ours || canonical == name.as_str()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_policy::from_lines;

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let lines = headers.iter();
        let lines = lines.map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        lines.collect()
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn the_client_is_whom_the_last_believed_proxy_saw() {
        let believed: [IpNet; 1] = ["10.0.0.0/8".parse().expect("a network")];
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
            let client = client(&from_lines(&held), PEER, &believed);
            assert_eq!(client.to_string(), expected, "{held:?}");
        }
    }

    #[test]
    fn a_believed_proxy_s_fields_are_kept_and_appended() {
        let mut headers = from_lines(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_proto", "http"),
            ("x-forwarded-for", "2.2.2.2"),
        ]);
        assert!(is_https(&headers));
        append(&mut headers, PEER);
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
        replace(&mut headers, PEER);
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
