//! Is a request the person's who sits at this machine: sent to a name of it, and by no proxy? Pure.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HOST;

use crate::http_rules::HeaderView;
use crate::http_rules::name_pattern::canonical;

/// Was the request with `headers` sent straight to a name or an address of this machine?
pub fn is_asked_straight(headers: &HeaderMap) -> bool {
    let host = headers.single(&HOST).unwrap_or_default();
    is_loopback_host(host) && !came_through_proxy(headers)
}

/// Does a field say that a proxy passed the request on, in whatever spelling?
fn came_through_proxy(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = canonical(name.as_str());
        name.starts_with("x-forwarded-") || matches!(&*name, "x-real-ip" | "forwarded" | "via")
    })
}

/// Is `host`, with or without a port, a name or an address of this machine? Any other name may be somebody's
/// that has it resolve to this machine.
fn is_loopback_host(host: &[u8]) -> bool {
    let text = str::from_utf8(host).unwrap_or_default();
    if let Some((address, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.contains(':') && is_loopback(address);
    }
    is_loopback(text.split(':').next().unwrap_or_default())
}

/// Is `host`, an address without brackets or a name, an address of the loopback network or a name of it?
pub fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => is_loopback_name(host),
    }
}

/// Is `name` `localhost`, or a name below it (RFC 6761 §6.3), absolute or not?
pub fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn only_a_name_that_nobody_else_can_have_is_this_machine_s() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "t3.localhost",
            "a.b.localhost:80",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.255.1.2",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_asked_straight(&from_lines(&[("host", host)])), "{host}");
        }
        for host in [
            "",
            "t3.test",
            "localhost.evil.test",
            "notlocalhost",
            "127.0.0.1.nip.io",
            "127.1",
            "0x7f.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "[::2]",
            "[::ffff:10.0.0.1]",
            "localhost..",
            "\u{e9}.localhost.test",
        ] {
            assert!(!is_asked_straight(&from_lines(&[("host", host)])), "{host}");
        }
        assert!(!is_asked_straight(&from_lines(&[])));
    }

    #[test]
    fn a_proxy_leaves_its_trace() {
        for (name, expected) in [
            ("x-forwarded-for", false),
            ("x-forwarded-proto", false),
            ("x-forwarded-user", false),
            ("x-forwarded-anything", false),
            ("x_forwarded_for", false),
            ("x-real-ip", false),
            ("forwarded", false),
            ("via", false),
            ("x-forward", true),
        ] {
            let headers = from_lines(&[("host", "localhost"), (name, "")]);
            assert_eq!(is_asked_straight(&headers), expected, "{name}");
        }
    }
}
