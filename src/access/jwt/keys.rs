//! The keys that sign a gate's tokens: a set of them (RFC 7517 §5), or a shared secret. Pure.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use crate::access::jwt::strict_json::StrictObject;

/// The maximum of keys in a set: gates publish two to five.
const MAX_KEYS: usize = 64;

/// The lengths of an RSA modulus that count, in bytes: 2048 to 8192 bits (RFC 7518 §3.3).
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The length of a coordinate of P-256, and of an Ed25519 key, in bytes.
const CURVE_BYTES: usize = 32;

/// The least length of a shared secret, in bytes: as long as the hash (RFC 7518 §3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Keys, each with the one algorithm that it is for.
#[derive(Debug)]
pub(super) struct Keys {
    held: Vec<Key>,
    generation: u64,
}

#[derive(Debug)]
struct Key {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// None has this id. Newer keys may.
    Unknown,
    /// The key of this id is for another algorithm.
    OfAnotherType,
    /// The token names no key, and several keys are for its algorithm.
    Ambiguous,
}

impl Keys {
    /// The usable ones of a JSON Web Key Set. Others are left out, as the set may be for others too.
    ///
    /// # Errors
    /// Where it is no such set, has too many keys, or none that is usable.
    pub(super) fn of_set(text: &[u8]) -> Result<Self, &'static str> {
        let set = StrictObject::parse(text).ok_or("it is no JSON object, or repeats a member")?;
        let keys = set.0.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or("it has no array `keys`")?;
        if keys.len() > MAX_KEYS {
            return Err("it has more than 64 keys");
        }
        let members = keys.iter().filter_map(Value::as_object);
        let held: Vec<_> = members.filter_map(Key::of).collect();
        match held.is_empty() {
            true => Err("there is no usable key in it (RSA of 2048 bits or more, P-256, Ed25519)"),
            false => Ok(Self::new(held)),
        }
    }

    /// The secret that is all of `text`, without the white space around it.
    ///
    /// # Errors
    /// Where it is shorter than HS256 needs.
    pub(super) fn of_secret(text: &[u8]) -> Result<Self, &'static str> {
        let secret = text.trim_ascii();
        let key = DecodingKey::from_secret(secret).ok();
        let key = key.filter(|_| secret.len() >= MIN_SECRET_BYTES);
        let key = key.ok_or("the secret in it is shorter than 32 bytes")?;
        Ok(Self::new(vec![Key {
            id: None,
            algorithm: Algorithm::HS256,
            key,
        }]))
    }

    fn new(held: Vec<Key>) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        Self {
            held,
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What tells these keys from all others of this process.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    /// The key called `id` for `algorithm`. A token that names no key is the only fitting key's, and one
    /// that is signed by the secret is the secret's whatever it names.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&DecodingKey, NoKey> {
        let mut fitting = self.held.iter().filter(|key| key.algorithm == algorithm);
        let is_named = |key: &&Key| key.id.as_deref() == id;
        if algorithm == Algorithm::HS256 {
            return fitting.next().map(|key| &key.key).ok_or(NoKey::Unknown);
        }
        if id.is_some() {
            let found = fitting.find(is_named);
            return found.map(|key| &key.key).ok_or_else(|| {
                match self.held.iter().any(|key| is_named(&key)) {
                    true => NoKey::OfAnotherType,
                    false => NoKey::Unknown,
                }
            });
        }
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(&key.key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            (None, _) => Err(NoKey::Unknown),
        }
    }
}

impl Key {
    /// The key that `members` describe (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), if it is one that verifies
    /// signatures by an algorithm that is known here.
    fn of(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
        let coordinate = |name: &str| bytes(name).filter(|bytes| bytes.len() == CURVE_BYTES);
        let (algorithm, key) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let [n, e] = [&n, &e].map(|number| without_leading_zeros(number));
                let is_long = RSA_BYTES.contains(&n.len());
                let key = is_long.then(|| DecodingKey::from_rsa_raw_components(n, e))?;
                (Algorithm::RS256, key)
            }
            ("EC", Some("P-256")) => {
                // Uncompressed (SEC 1 §2.3.3).
                let point = [&[4], &*coordinate("x")?, &*coordinate("y")?].concat();
                (Algorithm::ES256, DecodingKey::from_ec_der(&point))
            }
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_der(&coordinate("x")?);
                (Algorithm::EdDSA, key)
            }
            _ => return None,
        };
        let id = match members.get("kid") {
            None => None,
            Some(id) => Some(id.as_str()?.into()),
        };
        is_for(members, algorithm).then_some(Self { id, algorithm, key })
    }
}

/// Is a key for signatures by `algorithm`, as far as it says what it is for?
fn is_for(members: &Map<String, Value>, algorithm: Algorithm) -> bool {
    let name = match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "EdDSA",
    };
    let is = |member: &str, expected: &str| members.get(member).is_none_or(|own| own == expected);
    let verifies = |operations: &Value| {
        let operations = operations.as_array();
        operations.is_some_and(|operations| operations.iter().any(|own| own == "verify"))
    };
    is("use", "sig") && is("alg", name) && members.get("key_ops").is_none_or(verifies)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: &[Value]) -> Result<Keys, &'static str> {
        Keys::of_set(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// `key` with `more` members; null takes one away.
    fn with(key: &Value, more: Value) -> Value {
        let mut key = key.clone();
        for (name, value) in more.as_object().expect("members") {
            match value {
                Value::Null => drop(key.as_object_mut().expect("a key").remove(name)),
                value => key[name] = value.clone(),
            }
        }
        key
    }

    fn coded(bytes: usize) -> String {
        BASE64URL_NOPAD.encode(&vec![7; bytes])
    }

    fn keys_of_each_type() -> [Value; 3] {
        [
            json!({"kty": "RSA", "kid": "r", "n": coded(256), "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": coded(32), "y": coded(32)}),
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": coded(32)}),
        ]
    }

    #[test]
    fn a_key_counts_for_the_algorithm_of_its_type_and_no_other() {
        const RSA: Option<Algorithm> = Some(Algorithm::RS256);
        const EC: Option<Algorithm> = Some(Algorithm::ES256);
        let [rsa, ec, okp] = keys_of_each_type();
        for (key, expected) in [
            (rsa.clone(), RSA),
            (ec.clone(), EC),
            (okp.clone(), Some(Algorithm::EdDSA)),
            (with(&rsa, json!({"alg": "RS256", "use": "sig"})), RSA),
            (with(&ec, json!({"key_ops": ["verify"]})), EC),
            (with(&rsa, json!({"n": coded(1024)})), RSA),
            (with(&rsa, json!({"alg": "RS512"})), None),
            (with(&rsa, json!({"alg": "HS256"})), None),
            (with(&rsa, json!({"use": "enc"})), None),
            (with(&ec, json!({"key_ops": ["sign"]})), None),
            (with(&rsa, json!({"n": coded(255)})), None),
            (with(&rsa, json!({"n": coded(1025)})), None),
            (with(&rsa, json!({"e": null})), None),
            (with(&ec, json!({"crv": "P-384"})), None),
            (with(&ec, json!({"y": coded(31)})), None),
            (with(&okp, json!({"crv": "X25519"})), None),
            (
                json!({"kty": "oct", "k": coded(32), "kid": "s", "alg": "HS256"}),
                None,
            ),
        ] {
            let found = set(&[key.clone(), okp.clone()]).expect("one is usable");
            let alone = set(std::slice::from_ref(&key));
            let algorithm = alone.as_ref().map(|keys| keys.held[0].algorithm).ok();
            assert_eq!(algorithm, expected, "{key}");
            assert_eq!(found.count(), 1 + usize::from(expected.is_some()), "{key}");
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_refused() {
        let [rsa, ..] = keys_of_each_type();
        for text in [
            r#"{"keys":{}}"#,
            r#"{"keys":[]}"#,
            &format!(r#"{{"keys":[{rsa}],"keys":[{rsa}]}}"#),
            &rsa.to_string(),
        ] {
            assert!(Keys::of_set(text.as_bytes()).is_err(), "{text}");
        }
        assert!(set(&vec![rsa.clone(); 64]).is_ok());
        assert!(set(&vec![rsa.clone(); 65]).is_err());
        assert!(Keys::of_secret(b" 0123456789abcdef0123456789abcdef\n").is_ok());
        for short in ["", "\n", "0123456789abcdef0123456789abcde \n"] {
            assert!(Keys::of_secret(short.as_bytes()).is_err(), "{short:?}");
        }
    }

    #[test]
    fn a_token_s_key_is_that_of_its_id_and_its_algorithm() {
        use Algorithm::{ES256, EdDSA, HS256, RS256};
        let [rsa, ec, okp] = keys_of_each_type();
        let same_id = with(&okp, json!({"kid": "e"}));
        let keys = set(&[rsa.clone(), with(&rsa, json!({"kid": "r2"})), ec, same_id]);
        let keys = keys.expect("keys");
        for (id, algorithm, expected) in [
            (Some("r"), RS256, Ok(())),
            (Some("r2"), RS256, Ok(())),
            (Some("e"), ES256, Ok(())),
            (Some("e"), EdDSA, Ok(())),
            (Some("e"), RS256, Err(NoKey::OfAnotherType)),
            (Some("r"), ES256, Err(NoKey::OfAnotherType)),
            (Some("r"), HS256, Err(NoKey::Unknown)),
            (None, RS256, Err(NoKey::Ambiguous)),
            (None, ES256, Ok(())),
            (None, HS256, Err(NoKey::Unknown)),
        ] {
            let found = keys.find(id, algorithm).map(|_| ());
            assert_eq!(found, expected, "{id:?} {algorithm:?}");
        }
        let secret = Keys::of_secret(&[b's'; 32]).expect("a secret");
        assert!(secret.find(Some("any"), HS256).is_ok());
        assert!(secret.find(None, HS256).is_ok());
        assert_eq!(secret.find(None, RS256).map(|_| ()), Err(NoKey::Unknown));
    }
}
