//! Scans of names and values, eight bytes at a time (SWAR: SIMD within a register). Pure.

use crate::http_rules::grammar::{ByteSet, TOKEN};

/// The bytes of a field's value (RFC 9110 §5.5).
static TEXT: ByteSet = ByteSet::visible_but(b"").and_not_ascii(b" \t");

/// May `byte` be in a field's value (RFC 9110 §5.5)?
pub fn is_text(byte: u8) -> bool {
    TEXT.contains_all(&[byte])
}

/// The number of bytes at the start of `bytes` that are of a field's name.
pub fn name_length(bytes: &[u8]) -> usize {
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

/// The number of bytes at the start of `bytes` that are of a field's value.
pub fn text_length(bytes: &[u8]) -> usize {
    let mut at = visible_length(&bytes[..bytes.len().min(WIDE)]);
    if at == WIDE {
        // Cookies are long.
        let wide = bytes[at..].as_chunks().0.iter();
        at += WIDE * wide.take_while(|bytes| are_visible(bytes)).count();
        at += visible_length(&bytes[at..]);
    }
    // The end of the line, as a rule; seldom a tab.
    at + TEXT.span(&bytes[at..])
}

/// So many bytes are looked at at once where a value is long.
const WIDE: usize = 32;

/// Are all of them of a field's value, and none a tab? Without a branch, so that the compiler makes it one of
/// SIMD.
fn are_visible(bytes: &[u8; WIDE]) -> bool {
    let is_visible = |byte: u8| (byte >= b' ') & (byte != b'\x7f');
    bytes.iter().fold(true, |all, byte| all & is_visible(*byte))
}

/// The number of bytes at the start of `bytes` that are so; of the last seven it tells nothing.
fn visible_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    for bytes in bytes.as_chunks().0 {
        let eight = eight(*bytes);
        let odd = below(eight, b' ') | are(eight, b'\x7f');
        if odd != 0 {
            return at + odd.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at
}

/// `_` as [`folded`] leaves it.
pub const FOLDED_UNDERSCORE: u8 = b'_' | b' ';

/// `name` in lower case, and whether `_` or `.` is in it; none where it is longer than `LONGEST`, a
/// multiple of eight. Folding sets one bit, which of the characters that a name may have (RFC 9110
/// §5.6.2) makes no other pair alike but `^` and `~`.
pub fn folded<const LONGEST: usize>(name: &[u8]) -> Option<([u8; LONGEST], bool)> {
    let mut folded = [0; LONGEST];
    folded.get_mut(..name.len())?.copy_from_slice(name);
    let mut separators = 0;
    let used = name.len().next_multiple_of(8);
    for chunk in folded[..used].as_chunks_mut::<8>().0 {
        let bytes = eight(*chunk);
        separators |= are(bytes, b'_') | are(bytes, b'.');
        *chunk = (bytes | each(b' ')).to_le_bytes();
    }
    Some((folded, separators != 0))
}

/// Might one name be the other in another case? A quick look: they are as long, and the first eight
/// bytes and the last eight are alike. Shorter names always might.
pub fn is_like(one: &[u8], other: &[u8]) -> bool {
    let folded = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| eight(*bytes) | each(b' '));
    one.len() == other.len()
        && folded(one.first_chunk()) == folded(other.first_chunk())
        && folded(one.last_chunk()) == folded(other.last_chunk())
}

/// Eight bytes, the first one lowest.
fn eight(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

/// Eight times `byte`.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Not 0 where one of the eight is `byte`; its lowest bit that is set is in the first such one.
const fn are(eight: u64, byte: u8) -> u64 {
    below(eight ^ each(byte), 1)
}

/// Not 0 where one of the eight is below `limit`, which is 128 at most; its lowest bit that is set
/// is in the first such one.
const fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(each(limit)) & !eight & each(0x80)
}

/// 128 in the place of each of the eight that is from `first` to `last`, which are both below 128,
/// and 0 elsewhere.
const fn within(eight: u64, first: u8, last: u8) -> u64 {
    let low = eight & each(0x7f);
    let from = low.wrapping_add(each(0x80 - first));
    let behind = low.wrapping_add(each(0x7f - last));
    from & !behind & !eight & each(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 32;

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
            for (at, length) in (0..20).map(|at| (at, 20)).chain((0..90).map(|at| (at, 90))) {
                let mut value = vec![b'v'; length];
                value[at] = byte;
                let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
                let length = if is_text { value.len() } else { at };
                assert_eq!(text_length(&value), length, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn alike_are_names_in_any_case_and_few_others() {
        for (one, other, expected) in [
            ("", "", true),
            ("host", "Host", true),
            ("host", "hosts", false),
            ("host", "post", true),
            ("sec-fetch-site", "Sec-Fetch-Site", true),
            ("sec-fetch-site", "Sec-Fetch-Mode", false),
            ("sec-fetch-site", "Xec-Fetch-Site", false),
            ("content-type", "CONTENT-TYPE", true),
            ("content-type", "content-typo", false),
        ] {
            let is = is_like(one.as_bytes(), other.as_bytes());
            assert_eq!(is, expected, "{one} {other}");
        }
    }

    #[test]
    fn the_first_byte_that_is_meant_is_found() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = [b'x'; 8];
                bytes[at] = byte;
                bytes[7] = byte;
                let found = below(eight(bytes), b' ');
                assert_eq!(found != 0, byte < b' ', "{byte} at {at}");
                if found != 0 {
                    assert_eq!(found.trailing_zeros() as usize / 8, at, "{byte}");
                }
                let range = (b'a'..=b'x').contains(&byte);
                let found = within(eight(bytes), b'a', b'x');
                assert_eq!(found >> (8 * at) & 0xff != 0, range, "{byte} at {at}");
                assert_eq!(
                    found.count_ones(),
                    if range { 8 } else { 8 - 2 + (at / 7) as u32 }
                );
                let found = are(eight(bytes), b'\x7f');
                assert_eq!(found != 0, byte == b'\x7f', "{byte} at {at}");
            }
        }
    }

    #[test]
    fn every_name_is_folded_and_looked_through() {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        for byte in (0..=u8::MAX).filter(token) {
            for at in 0..LONGEST {
                let mut name = [b'X'; LONGEST];
                name[at] = byte;
                let (folded, has_separator) =
                    folded::<LONGEST>(&name[..=at]).expect("a short name");
                let lower = name[..=at].to_ascii_lowercase();
                assert_eq!(has_separator, b"_.".contains(&byte), "{byte} at {at}");
                let is_same = folded[..=at] == lower;
                assert_eq!(is_same, !b"^_".contains(&byte), "{byte} at {at}");
            }
        }
        assert_eq!(folded::<LONGEST>(&[b'x'; LONGEST + 1]), None);
    }
}
