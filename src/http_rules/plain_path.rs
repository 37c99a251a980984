//! Paths whose segments every reader takes for the same ones. Pure.

use crate::http_rules::grammar::ByteSet;

/// The characters of a segment that is read alike everywhere (RFC 3986 §3.3 without `;`).
static PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-_.~!$&'()*+,=:@");

/// Is `path` `prefix` and one or several plain segments behind it?
pub fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.split('/').all(is_plain))
}

/// Is it a segment that is no other one in another spelling? What is percent-encoded in it is neither a
/// delimiter of segments nor a dot nor encoded once more, so that the segments `.` and `..` are not hidden in it.
pub fn is_plain(segment: &str) -> bool {
    let mut parts = segment.split('%');
    let first = parts.next().unwrap_or_default();
    !segment.is_empty()
        && !segment.bytes().all(|byte| byte == b'.')
        && PLAIN.contains_all(first.as_bytes())
        && parts.all(begins_with_encoded)
}

/// Does `part`, behind a `%`, begin with two digits for a byte that no path is made of, and is the rest plain?
fn begins_with_encoded(part: &str) -> bool {
    let Some((digits, rest)) = part.split_at_checked(2) else {
        return false;
    };
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    let leads_elsewhere = matches!(byte, b'/' | b'\\' | b'.' | b'%');
    is_hex && !byte.is_ascii_control() && !leads_elsewhere && PLAIN.contains_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_segment_is_no_other_one() {
        for plain in [
            "a", "a.b", "...a", "a%20b", "%C3%AB", "C%23.md", "a@b:c", "-",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "", ".", "..", "...", "%", "%2", "%zz", "%2e", "a%2Fb", "%5c", "%00", "%0A", "%7f",
            "%25", "%+1", "a;b", "a\\", "\u{eb}", "a b",
        ] {
            assert!(!is_plain(other), "{other}");
        }
        assert!(
            is_below("/a/", "/a/b/c") && !is_below("/a/", "/a/") && !is_below("/a/", "/a/b//c")
        );
    }
}
