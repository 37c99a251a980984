//! The secrets of pairing, which nothing prints.

use std::fmt;

/// A one-time credential (contract §1), or a session's token (contract §4).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret that t3 printed or sent; `None` if it cannot be one.
    pub(super) fn new(text: &str) -> Option<Self> {
        let plausible =
            (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        plausible.then(|| Self(text.to_owned()))
    }

    /// The secret in plain, for the request that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// `text` for a log line: cut at 200 characters, and without any word that looks like a credential
/// or a token.
pub(super) fn redacted(text: &str) -> String {
    let words = text
        .chars()
        .take(200)
        .map(|character| match character.is_control() {
            true => ' ',
            false => character,
        })
        .collect::<String>();
    words
        .split(' ')
        .map(|word| if looks_secret(word) { "…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Credentials are upper-case letters and digits, tokens are base64. Both have runs of 10 or more
/// characters that mix digits or cases as no word or path does.
fn looks_secret(word: &str) -> bool {
    word.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)))
        .any(|run| {
            let has = |test: fn(&char) -> bool| run.chars().any(|character| test(&character));
            let mixes = has(char::is_ascii_digit) || has(char::is_ascii_lowercase);
            run.len() >= 10 && has(char::is_ascii_uppercase) && (mixes || run.len() == 12)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_looks_like_a_secret_is_left() {
        for (text, expected) in [
            ("database is locked", "database is locked"),
            (
                "ENOTDIR: not a directory, mkdir '/data/t3'",
                "ENOTDIR: not a directory, mkdir '/data/t3'",
            ),
            ("credential 63ZRCHFUYSNW spent", "credential … spent"),
            ("\"credential\":\"ABCDEFGHJKLM\"", "…"),
            ("token=eyJhbGciOiJIUzI1NiJ9.x", "…"),
            ("line\nbreak", "line break"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn a_secret_is_printable_and_never_printed() {
        assert!(Secret::new("").is_none());
        assert!(Secret::new("a\r\nb").is_none());
        assert!(Secret::new(&"a".repeat(4097)).is_none());
        let secret = Secret::new("63ZRCHFUYSNW").expect("t3's own format");
        assert!(!format!("{secret:?}").contains("63Z"));
    }
}
