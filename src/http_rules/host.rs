//! The syntax of `Host` and of a target's authority. Pure.

use std::net::Ipv6Addr;

use crate::http_rules::byte_set::ByteSet;

/// What a name may have (RFC 3986 §3.2.2): unreserved characters, and encoded ones.
static NAME: ByteSet = ByteSet::alphanumeric_and(b"-._~%");

/// A name or an address, with or without a port (RFC 3986 §3.2.2); no user, no path.
pub fn is_host(host: &[u8]) -> bool {
    match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let (address, behind) = (&rest[..end], &rest[end + 1..]);
            is_ipv6(address)
                && (behind.is_empty() || behind.strip_prefix(b":").is_some_and(is_port))
        }
        None => {
            let end = host.iter().position(|byte| *byte == b':');
            let (name, port) = host.split_at(end.unwrap_or(host.len()));
            !name.is_empty() && NAME.holds(name) && (port.is_empty() || is_port(&port[1..]))
        }
    }
}

/// Digits of a number of 16 bits, or nothing.
fn is_port(port: &[u8]) -> bool {
    let number = port.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    });
    number.is_some()
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
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
