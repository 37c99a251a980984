//! The text of a person's name, which is the same for two names only if they are one. Pure.

use std::borrow::Cow;
use std::fmt::Write;

/// Bytes as text: UTF-8 as it is, any other byte percent-encoded, and so is `%` itself. Decoding it
/// gives the bytes back, so that no two names have one text.
pub fn text_of(name: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(name) {
        Ok(text) if !text.contains('%') => Cow::Borrowed(text),
        _ => Cow::Owned(percent_encoded(name)),
    }
}

/// The bytes whose text is `text`.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    match text.contains('%') {
        false => Cow::Borrowed(text.as_bytes()),
        true => Cow::Owned(percent_decoded(text)),
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut name = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).map(|digits| u8::from_str_radix(digits, 16));
        match byte {
            Some(Ok(byte)) => {
                name.push(byte);
                name.extend_from_slice(&part.as_bytes()[2..]);
            }
            // No text of a name has that.
            _ => name.extend_from_slice(&[b"%", part.as_bytes()].concat()),
        }
    }
    name
}

fn percent_encoded(name: &[u8]) -> String {
    let mut text = String::with_capacity(3 * name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        push_encoded(&mut text, chunk.invalid());
    }
    text
}

/// Adds `bytes` to `text`, each percent-encoded (RFC 3986 §2.1).
pub fn push_encoded(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // A `String` takes everything.
        let _ = write!(text, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_have_one_text_only_if_they_are_one() {
        for (name, expected) in [
            (&b"alice"[..], "alice"),
            (b"Zo\xc3\xab", "Zo\u{eb}"),
            (b"Zo\xeb", "Zo%EB"),
            (b"Zo\xec", "Zo%EC"),
            (b"Zo%EB", "Zo%25EB"),
            (b"Zo\xef\xbf\xbd", "Zo\u{fffd}"),
            (b"\xc3\xab\xff%\xc3", "\u{eb}%FF%25%C3"),
            (b"50%", "50%25"),
        ] {
            assert_eq!(text_of(name), expected, "{}", name.escape_ascii());
            assert_eq!(*bytes_of(expected), *name, "{expected}");
        }
    }
}
