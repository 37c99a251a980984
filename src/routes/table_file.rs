//! The file of the table of people: one JSON object, taken whole or not at all. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::routes::table::Table;

/// The maximum length of a table, in bytes: some 100,000 rows.
pub const MAX_LENGTH: usize = 16 << 20;

/// How many characters of an error are told.
const MAX_ERROR: usize = 300;

/// How many characters of a key are told.
const MAX_KEY: usize = 100;

/// Why a table cannot be used: what is wrong and where, without anything else that is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TableError(String);

impl Table {
    /// Reads a table, which is one JSON object: all of it, or none.
    ///
    /// # Errors
    /// If it is too long, is no such object, has a key or a field twice, a field that is unknown or
    /// wrong, or two different rows for one address.
    pub fn parse(content: &[u8]) -> Result<Self, TableError> {
        if content.len() > MAX_LENGTH {
            let text = format!("it is longer than {} MiB", MAX_LENGTH >> 20);
            return Err(TableError(text));
        }
        serde_json::from_slice(content)
            .map_err(|error| TableError(shown(&error.to_string(), MAX_ERROR)))
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor;

        impl<'de> Visitor<'de> for TableVisitor {
            type Value = Table;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a row for each person")
            }

            fn visit_str<E: Error>(self, _secret: &str) -> Result<Table, E> {
                Err(E::custom("an object with a row for each person is needed"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Table, A::Error> {
                let mut table = Table::default();
                while let Some(key) = members.next_key::<String>()? {
                    let wrong = |why: &dyn fmt::Display| {
                        A::Error::custom(format_args!("`{}`: {why}", shown(&key, MAX_KEY)))
                    };
                    let row = members.next_value().map_err(|error| wrong(&error))?;
                    table.insert(&key, row).map_err(|why| wrong(&why))?;
                }
                Ok(table)
            }
        }

        deserializer.deserialize_any(TableVisitor)
    }
}

/// At most `length` characters of `text`, with what is not for a log line escaped.
pub(super) fn shown(text: &str, length: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(length)
        .flat_map(|letter| match letter {
            '"' | '\'' | '\\' => letter.to_string().chars().collect::<Vec<_>>(),
            letter => letter.escape_debug().collect(),
        })
        .collect();
    if text.chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Table::parse(text.as_bytes()).expect_err(text);
        error.to_string()
    }

    #[test]
    fn a_table_of_names_and_ports_is_valid_as_it_is() {
        let people =
            Table::parse(br#"{"bob": {"os_user": "bob", "port": 3774}}"#).expect("a table");
        let bob = people.row("bob").expect("a row");
        assert_eq!((bob.host(), bob.port()), ("127.0.0.1", 3774));
        assert_eq!(bob.os_user.as_deref(), Some("bob"));
        let nobody = Table::parse(b" {} \n").expect("a table");
        assert!(nobody.is_empty() && nobody.row("").is_none());
        assert_eq!(
            people.people().map(|(name, _)| name).collect::<Vec<_>>(),
            ["bob"]
        );
    }

    #[test]
    fn it_is_taken_whole_or_not_at_all_and_says_why() {
        for (text, says) in [
            (
                r#"{"a": {"port": 1}, "a": {"port": 1}}"#,
                "`a`: it is there twice",
            ),
            (
                r#"{"a": {"port": 1}, "\u0061": {"port": 2}}"#,
                "`a`: it is there twice",
            ),
            (
                r#"{"a": {"port": 1}, "b": {"port": 0}}"#,
                "`b`: `port`: a number",
            ),
            (
                r#"{"a": {"port": 1, "port": 1}}"#,
                "`a`: duplicate field `port`",
            ),
            (
                r#"{"a": {"port": 1, "prot": 1}}"#,
                "`a`: unknown field `prot`",
            ),
            (r#"{"a": {}}"#, "`a`: missing field `port`"),
            (r#"{"a": 3773}"#, "`a`: invalid type"),
            (r#"{"a": [3773]}"#, "`a`: invalid type"),
            (r#"{"": {"port": 1}}"#, "``: nobody is called that"),
            (r#"{"a ": {"port": 1}}"#, "`a `: nobody is called that"),
            (r#"{"\n\u202e\"": {}}"#, r#"`\n\u{202e}"`: missing field"#),
            ("[]", "invalid type"),
            ("", "EOF"),
            ("{", "EOF"),
            (r#"{"a": {"port": 1}} {}"#, "trailing characters"),
            (r#"{"a": {"port": 1},}"#, "trailing comma"),
        ] {
            let error = error(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        let long = error(&format!(r#"{{"{}": {{}}}}"#, "x".repeat(100_000)));
        assert!(long.len() < 500, "{long}");
        assert!(Table::parse(b"{\"\xff\": {\"port\": 1}}").is_err(), "UTF-8");
        assert!(Table::parse(&vec![b' '; MAX_LENGTH + 1]).is_err());
        let deep = "[".repeat(100_000);
        assert!(Table::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn what_a_row_says_is_not_in_an_error() {
        let secret = "63ZRCHFUYSNW";
        for field in [
            "port",
            "host",
            "os_user",
            "base_dir",
            "mint",
            "token_file",
            "via",
        ] {
            let text = format!(r#"{{"a": {{"port": 1, "{field}": "{secret} "}}}}"#);
            let error = error(&text.replacen(r#""port": 1, "port""#, r#""port""#, 1));
            assert!(!error.contains(secret), "{error}");
            assert!(error.contains(&format!("`{field}`")), "{error}");
        }
        for text in [format!(r#"{{"a": "{secret}"}}"#), format!(r#""{secret}""#)] {
            assert!(!error(&text).contains(secret), "{text}");
        }
    }
}
