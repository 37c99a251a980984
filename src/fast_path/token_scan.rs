//! How far a name or a value goes, eight bytes at a time. Pure.

use crate::fast_path::swar::{are, below, each, eight, within};
use crate::http_rules::byte_set::ByteSet;

/// What a field's name may have (RFC 9110 §5.6.2).
static TOKEN: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// What a field's value may have (RFC 9110 §5.5).
static TEXT: ByteSet = ByteSet::visible_but(b"").and_not_ascii(b" \t");

/// How many bytes at the start of `bytes` a name may have.
pub(super) fn name_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    for bytes in bytes.as_chunks().0 {
        let odd = not_usual(eight(*bytes));
        if odd != 0 {
            at += odd.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    // The colon, as a rule.
    at + TOKEN.span(&bytes[at..])
}

/// Not 0 where one of the eight is no letter, digit or hyphen; its lowest bit that is set is in the
/// first such one.
fn not_usual(eight: u64) -> u64 {
    let folded = eight | each(b' ');
    let usual = within(folded, b'a', b'z') | within(eight, b'0', b'9') | within(eight, b'-', b'-');
    !usual & each(0x80)
}

/// How many bytes at the start of `bytes` a value may have.
pub(super) fn text_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    for bytes in bytes.as_chunks().0 {
        let eight = eight(*bytes);
        let odd = below(eight, b' ') | are(eight, b'\x7f');
        if odd != 0 {
            at += odd.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    // The end of the line, as a rule; seldom a tab.
    at + TEXT.span(&bytes[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_long_as_its_grammar_allows() {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut name = [b'N'; 20];
                name[at] = byte;
                let length = if token(byte) { name.len() } else { at };
                assert_eq!(name_length(&name), length, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn a_value_is_as_long_as_its_grammar_allows() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut value = [b'v'; 20];
                value[at] = byte;
                let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
                let length = if is_text { value.len() } else { at };
                assert_eq!(text_length(&value), length, "{byte} at {at}");
            }
        }
    }
}
