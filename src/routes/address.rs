//! The address of a t3 in the table of people, which is equal for every spelling of one. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::http_rules::this_machine::is_loopback_name;

/// Where a t3 listens: two of them are equal if they may be the same one.
///
/// `127.0.0.1`, `::1` and every name of the loopback address (RFC 6761 §6.3) are one machine, as a t3 may
/// listen on both families.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    machine: Box<str>,
    port: u16,
}

impl Address {
    /// The address of `port` on `host`, as [`host_of`] gives it.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let name = host.strip_suffix('.').unwrap_or(host);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        let is_loopback = host
            .parse()
            .is_ok_and(|address| loopback.contains(&address));
        let machine = match is_loopback_name(host) || is_loopback {
            true => "localhost",
            false => name,
        };
        Self {
            machine: machine.into(),
            port,
        }
    }
}

/// `text` as a host to connect to, in one spelling: lower case, an address in its canonical form.
///
/// # Errors
/// What is needed instead.
pub(super) fn host_of(text: &str) -> Result<String, &'static str> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = inner.unwrap_or(text).parse::<IpAddr>() {
        let address = address.to_canonical();
        return match address.is_unspecified() {
            true => Err("an address to connect to is needed"),
            false => Ok(address.to_string()),
        };
    }
    match is_name(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a host name or an IP address is needed, without scheme or port"),
    }
}

/// Is it a name, and no number that resolvers take for an address, as `127.1` and `0x7f000001` are?
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_of_name)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|first: char| first.is_ascii_digit())
        && (last.bytes().all(|byte| byte.is_ascii_digit()) || last[1..].starts_with(['x', 'X']));
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("0:0::1", Some("::1")),
            ("::ffff:127.0.0.1", Some("127.0.0.1")),
            ("T3-Bob.Example.", Some("t3-bob.example.")),
            ("t3_bob", Some("t3_bob")),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a b", None),
            ("a/b", None),
            ("a:80", None),
            ("http://t3", None),
            ("127.1", None),
            ("2130706433", None),
            ("0x7f000001", None),
            ("a.0x1", None),
            ("0.0.0.0", None),
            ("::", None),
            ("b\u{f6}b", None),
            ("a\n", None),
        ] {
            assert_eq!(host_of(text).ok().as_deref(), expected, "{text:?}");
        }
        assert!(host_of(&"a".repeat(63)).is_ok() && host_of(&"a".repeat(64)).is_err());
        assert!(host_of(&"a.".repeat(127)).is_ok(), "254 with its dot");
        assert!(host_of(&"a.".repeat(128)).is_err());
    }

    #[test]
    fn what_may_be_one_machine_is_equal() {
        let at = |host| Address::new(&host_of(host).expect(host), 3774);
        for host in [
            "::1",
            "localhost",
            "LOCALHOST.",
            "t3.localhost",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(at(host), at("127.0.0.1"), "{host}");
        }
        assert_eq!(at("t3.example"), at("T3.example."));
        for host in [
            "127.0.0.2",
            "10.0.0.1",
            "localhost.example",
            "notlocalhost",
            "t3",
        ] {
            assert_ne!(at(host), at("127.0.0.1"), "{host}");
        }
        assert_ne!(Address::new("::1", 1), Address::new("::1", 2));
    }
}
