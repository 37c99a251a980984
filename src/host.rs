//! The syntax of `Host` and of a target's authority. Pure.

/// A name or an address, with or without a port (RFC 3986 §3.2.2); no user, no path.
pub fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (
                "address",
                port.strip_prefix(':').or(port.is_empty().then_some("")),
            )
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("")),
        },
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let is_port = |port: &str| {
        port.is_empty()
            || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
    };
    !name.is_empty() && name.bytes().all(is_name) && port.is_some_and(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in [
            "h",
            "h.test",
            "h.test:80",
            "h:",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8080",
            "a_b",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b", "h,i", "h/p", "h?q", "h#f", "http://h", "u@h", "h:x", "h:99999",
            "h:-1", "h:+1", "[::1", "[h]", "[::1]x", "\u{e9}", "h\\i", "\"h\"", "h:1:2",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
