//! What t3's client list calls a session: the person that it was made for. Pure.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::http_rules::name_text::push_encoded;

/// What t3's client list has behind the name of a session that the dispatcher made.
pub const SESSION_MARK: &str = "@sso";

/// The maximum length of a label, in characters.
const MAX_LABEL: usize = 200;

/// The label of a person's sessions in t3's client list, by which they are told from another person's.
///
/// It is the `identity` that a `Browser` has, percent-encoded where it is not printable ASCII, with
/// [`SESSION_MARK`] behind it. It goes on a command line too, so that a `-` at its start is encoded.
/// Where it would be too long, the SHA-256 of the identity stands for it, in hexadecimal digits; and
/// where it looks like one, so that nobody can choose the name that is another's hash. No two
/// identities have one label.
pub fn label_of(identity: &str) -> String {
    let mut label = String::new();
    for (at, byte) in identity.bytes().enumerate() {
        match byte {
            b'-' if at == 0 => push_encoded(&mut label, &[byte]),
            // A percent sign is encoded already.
            b' '..=b'~' => label.push(char::from(byte)),
            _ => push_encoded(&mut label, &[byte]),
        }
    }
    if label.len() + SESSION_MARK.len() > MAX_LABEL || is_hash(&label) {
        label = HEXLOWER.encode(&Sha256::digest(identity));
    }
    label + SESSION_MARK
}

fn is_hash(label: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    label.len() == 2 * Sha256::output_size() && label.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::name_text::text_of;

    #[test]
    fn a_label_is_the_whole_identity_encoded_and_marked() {
        let long = "x".repeat(MAX_LABEL - SESSION_MARK.len());
        for (name, expected) in [
            (&b"alice"[..], "alice"),
            (b"alice@example.org", "alice@example.org"),
            (b"alice@sso", "alice@sso"),
            (b"Ada Lovelace", "Ada Lovelace"),
            (b"--ttl", "%2D-ttl"),
            (b"-", "%2D"),
            (b"a-b", "a-b"),
            (b"%2D", "%252D"),
            (b"50%", "50%25"),
            (b"Zo\xc3\xab", "Zo%C3%AB"),
            (b"Zo\xeb", "Zo%EB"),
            (b"Zo%EB", "Zo%25EB"),
            (b"a\tb", "a%09b"),
            (b"a\x1b[31mb\n", "a%1B[31mb%0A"),
            (b"\xc2\xa0alice", "%C2%A0alice"),
            (long.as_bytes(), &long),
        ] {
            let expected = format!("{expected}@sso");
            assert_eq!(label_of(&text_of(name)), expected);
        }
    }

    #[test]
    fn a_label_that_would_be_too_long_is_a_hash_that_nobody_can_have_as_a_name() {
        let long = "x".repeat(MAX_LABEL - SESSION_MARK.len() + 1);
        let longer = "\u{eb}".repeat(100) + "1";
        let mut labels = [long.clone(), longer.clone(), longer.replace('1', "2")].map(|long| {
            let label = label_of(&long);
            let hash = HEXLOWER.encode(&Sha256::digest(&long));
            assert_eq!(label, format!("{hash}@sso"));
            assert_ne!(label_of(&hash), label, "somebody's name is another's hash");
            assert_eq!(label_of(&hash.to_uppercase()), hash.to_uppercase() + "@sso");
            label
        });
        labels.sort();
        assert!(labels.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
