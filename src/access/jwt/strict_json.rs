//! JSON objects in which no member is repeated, at any depth: readers differ in which one they take
//! (RFC 8259 §4, RFC 7515 §4). Pure.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// One object.
#[derive(Debug)]
pub(super) struct StrictObject(pub(super) Map<String, Value>);

impl StrictObject {
    /// The object that is all of `text`; none where it is none, or a member is repeated.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(StrictVisitor)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(D::Error::custom("an object is needed")),
        }
    }
}

/// Any value, as a [`Value`].
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON without a repeated member")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_makes_it_none_at_any_depth() {
        for text in [
            "{}",
            r#"{"a":1,"b":-2,"c":1.5,"d":null,"e":[true,{"a":"x"},[]],"A":{"a":{}}}"#,
            r#" {"iss":"\u00e9","x":{"a":1},"y":{"a":1}} "#,
        ] {
            let strict = StrictObject::parse(text.as_bytes()).expect(text);
            let plain: Value = serde_json::from_str(text).expect(text);
            assert_eq!(Value::Object(strict.0), plain, "{text}");
        }
        let deep = [r#"{"a":"#.repeat(300), "}".repeat(300)].concat();
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"x":[{"a":1,"b":2,"a":1}]}"#,
            r#"{"a":1}{"#,
            r#"{"a":1} x"#,
            "[]",
            "\"a\"",
            "",
            &deep,
        ] {
            assert!(StrictObject::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(StrictObject::parse(b"{\"a\":\"\xff\"}").is_none(), "UTF-8");
    }
}
