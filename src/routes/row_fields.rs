//! The fields of a row as the file of the table has them. Pure.

use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::config::placeholders::is_plain;
use crate::routes::address::host_of;
use crate::routes::row::{Row, Via};

/// The fields of a row as they are written. None may be `null`, and a repeated or unknown one is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(deserialize_with = "port")]
    port: u16,
    #[serde(default = "loopback", deserialize_with = "host")]
    host: String,
    #[serde(default, deserialize_with = "os_user")]
    os_user: Option<String>,
    #[serde(default, deserialize_with = "base_dir")]
    base_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "t3_bin")]
    t3_bin: Option<PathBuf>,
    #[serde(default, deserialize_with = "mint")]
    mint: Option<Vec<String>>,
    #[serde(default, deserialize_with = "token_file")]
    token_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "via")]
    via: Via,
    #[serde(default, deserialize_with = "secret_file")]
    secret_file: Option<PathBuf>,
}

impl Row {
    fn of(fields: Fields) -> Result<Self, &'static str> {
        let Fields {
            port,
            host,
            os_user,
            base_dir,
            t3_bin,
            mint,
            token_file,
            via,
            secret_file,
        } = fields;
        let makes_sessions =
            base_dir.is_some() || t3_bin.is_some() || mint.is_some() || token_file.is_some();
        match via {
            Via::Dispatcher if makes_sessions => Err(
                "the dispatcher there makes the sessions: `base_dir`, `t3_bin`, `mint` and `token_file` are not for `via` \"dispatcher\"",
            ),
            Via::T3 if secret_file.is_some() => {
                Err("`secret_file` is for `via` \"dispatcher\" alone")
            }
            _ => {
                let mut row = Self::at(host, port);
                (row.os_user, row.base_dir, row.t3_bin) = (os_user, base_dir, t3_bin);
                (row.mint, row.token_file) = (mint, token_file);
                (row.via, row.secret_file) = (via, secret_file);
                Ok(row)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;

        impl<'de> Visitor<'de> for RowVisitor {
            type Value = Row;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with a `port`")
            }

            fn visit_str<E: Error>(self, _secret: &str) -> Result<Row, E> {
                Err(E::custom("an object with a `port` is needed"))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Row, A::Error> {
                let fields = Fields::deserialize(MapAccessDeserializer::new(members))?;
                Row::of(fields).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(RowVisitor)
    }
}

/// The host of a row that names none.
fn loopback() -> String {
    "127.0.0.1".to_owned()
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let port = NonZeroU16::deserialize(deserializer);
    port.map(NonZeroU16::get)
        .map_err(|_| wrong("port", "a number from 1 to 65535 is needed"))
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = text(deserializer, "host")?;
    host_of(&text).map_err(|why| wrong("host", why))
}

fn os_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = text(deserializer, "os_user")?;
    let needed = || {
        wrong(
            "os_user",
            "letters a to z, digits and inner hyphens are needed",
        )
    };
    is_plain(&name).then_some(Some(name)).ok_or_else(needed)
}

fn mint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let needed = "a list of words is needed, a program first";
    let words = Vec::<String>::deserialize(deserializer).map_err(|_| wrong("mint", needed))?;
    let is_program = words.first().is_none_or(|program| !program.is_empty());
    match is_program && !words.iter().any(|word| word.contains('\0')) {
        true => Ok(Some(words)),
        false => Err(wrong("mint", needed)),
    }
}

fn via<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Via, D::Error> {
    Via::deserialize(deserializer).map_err(|_| wrong("via", "\"t3\" or \"dispatcher\" is needed"))
}

macro_rules! paths {
    ($($name:ident)+) => {$(
        fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
            path(deserializer, stringify!($name))
        }
    )+};
}

paths!(base_dir t3_bin token_file secret_file);

/// An absolute path: a relative one would depend on where this process was started.
fn path<'de, D: Deserializer<'de>>(
    deserializer: D,
    field: &str,
) -> Result<Option<PathBuf>, D::Error> {
    let text = text(deserializer, field)?;
    match Path::new(&text).is_absolute() && !text.contains('\0') {
        true => Ok(Some(text.into())),
        false => Err(wrong(field, "an absolute path is needed")),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D, field: &str) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| wrong(field, "a text is needed"))
}

fn wrong<E: Error>(field: &str, needed: &str) -> E {
    E::custom(format_args!("`{field}`: {needed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Result<Row, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_port_is_needed() {
        let bare = row(r#"{"port": 3773}"#).expect("a row");
        assert_eq!(bare, Row::at(loopback(), 3773));
        let full = row(
            r#"{"host": "T3.example", "port": 1, "os_user": "bob", "base_dir": "/home/bob/.t3", "t3_bin": "/t3",
                "mint": ["sudo", "-n", "/m", "{user} x"], "token_file": "/run/t", "via": "t3"}"#,
        );
        let full = full.expect("a row");
        assert_eq!((full.host(), full.port()), ("t3.example", 1));
        assert_eq!(full.os_user.as_deref(), Some("bob"));
        let paths = (full.base_dir, full.t3_bin);
        assert_eq!(paths, (Some("/home/bob/.t3".into()), Some("/t3".into())));
        let words = ["sudo", "-n", "/m", "{user} x"].map(str::to_owned);
        assert_eq!(full.mint.as_deref(), Some(&words[..]));
        assert_eq!(full.token_file, Some("/run/t".into()));
        let tier = row(r#"{"port": 1, "via": "dispatcher", "secret_file": "/s"}"#).expect("a row");
        assert_eq!(
            (tier.via, tier.secret_file),
            (Via::Dispatcher, Some("/s".into()))
        );
        assert_eq!(
            row(r#"{"port": 1, "mint": []}"#).expect("none").mint,
            Some(vec![])
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        for (text, field) in [
            (r#"{}"#, "port"),
            (r#"{"port": 0}"#, "port"),
            (r#"{"port": 65536}"#, "port"),
            (r#"{"port": "3773"}"#, "port"),
            (r#"{"port": 1.0}"#, "port"),
            (r#"{"port": null}"#, "port"),
            (r#"{"port": 1, "port": 2}"#, "port"),
            (r#"{"port": 1, "os_usr": "bob"}"#, "os_usr"),
            (r#"{"port": 1, "os_user": "Bob"}"#, "os_user"),
            (r#"{"port": 1, "os_user": null}"#, "os_user"),
            (r#"{"port": 1, "os_user": ""}"#, "os_user"),
            (r#"{"port": 1, "host": ""}"#, "host"),
            (r#"{"port": 1, "host": "a:1"}"#, "host"),
            (r#"{"port": 1, "base_dir": "t3"}"#, "base_dir"),
            (r#"{"port": 1, "t3_bin": "/a\u0000"}"#, "t3_bin"),
            (r#"{"port": 1, "token_file": 1}"#, "token_file"),
            (r#"{"port": 1, "mint": "sudo x"}"#, "mint"),
            (r#"{"port": 1, "mint": [""]}"#, "mint"),
            (r#"{"port": 1, "mint": ["a", 1]}"#, "mint"),
            (r#"{"port": 1, "via": "T3"}"#, "via"),
            (r#"{"port": 1, "secret_file": "/s"}"#, "secret_file"),
            (r#"{"port": 1, "via": "dispatcher", "mint": ["a"]}"#, "mint"),
            (r#"["127.0.0.1", 1]"#, "port"),
            (r#"1"#, "port"),
        ] {
            let error = row(text).expect_err(text);
            assert!(error.contains(&format!("`{field}`")), "{text}: {error}");
        }
    }
}
