//! The grammars of the RFCs: sets of bytes, asked with one look-up a byte, lists, and the syntax of `Host`. Pure.

use std::net::Ipv6Addr;

/// A set of bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByteSet([bool; 256]);

impl ByteSet {
    /// The ASCII letters and digits, and `further` bytes.
    pub const fn alphanumeric_and(further: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        Self(set).with(further, true)
    }

    /// The visible ASCII characters except `left_out`.
    pub const fn visible_but(left_out: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_graphic();
            byte += 1;
        }
        Self(set).with(left_out, false)
    }

    /// This set, `further` bytes, and every byte that is not ASCII.
    pub const fn and_not_ascii(self, further: &[u8]) -> Self {
        let Self(mut set) = self.with(further, true);
        let mut byte = 0x80;
        while byte < set.len() {
            set[byte] = true;
            byte += 1;
        }
        Self(set)
    }

    /// Are all of `bytes` in the set?
    pub fn contains_all(&self, bytes: &[u8]) -> bool {
        self.span(bytes) == bytes.len()
    }

    /// The number of bytes at the start of `bytes` that are in the set.
    pub fn span(&self, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| !self.0[usize::from(*byte)]);
        end.unwrap_or(bytes.len())
    }

    const fn with(self, bytes: &[u8], is_in: bool) -> Self {
        let Self(mut set) = self;
        let mut at = 0;
        while at < bytes.len() {
            set[bytes[at] as usize] = is_in;
            at += 1;
        }
        Self(set)
    }
}

/// The characters of a token (RFC 9110 §5.6.2).
pub static TOKEN: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// Is it a token (RFC 9110 §5.6.2)?
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && TOKEN.contains_all(bytes)
}

/// The members of a comma-separated list (RFC 9110 §5.6.1), without the white space around them. An
/// empty member is one, too.
pub fn list_members(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The characters of a host name (RFC 3986 §3.2.2): unreserved and percent-encoded ones.
static HOST_NAME: ByteSet = ByteSet::alphanumeric_and(b"-._~%");

/// The number that `value` states in decimal digits and nothing else.
pub fn decimal(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(value).ok()?.parse().ok())?
}

/// Is it a name or an address, with or without a port (RFC 3986 §3.2.2), and no user or path?
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
            !name.is_empty()
                && HOST_NAME.contains_all(name)
                && (port.is_empty() || is_port(&port[1..]))
        }
    }
}

/// Is it a number of 16 bits, or empty?
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

/// Writes a field's line of `name` and `value` to the end of `to`.
pub fn write_line(name: &[u8], value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        let every = || 0..=u8::MAX;
        let named = ByteSet::alphanumeric_and(b"-.");
        let visible = ByteSet::visible_but(b"#\"");
        for byte in every() {
            let expected = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            assert_eq!(named.contains_all(&[b'a', byte]), expected, "{byte}");
            let expected = byte.is_ascii_graphic() && byte != b'#' && byte != b'"';
            assert_eq!(visible.contains_all(&[byte]), expected, "{byte}");
        }
        assert!(named.contains_all(b""));
        assert_eq!(named.span(b"a-b_c"), 3);
        let text = visible.and_not_ascii(b" ");
        assert_eq!(text.span(b"a b\xff\x80c#"), 6);
    }

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
