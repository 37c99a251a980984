//! What a gate signs with, the tokens that it makes, and the attacker's.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

/// A key of a gate's.
pub(crate) enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
    Secret(Vec<u8>),
}

impl SigningKey {
    /// A new one for the algorithm of that name; a secret is always the same.
    pub(crate) fn new(algorithm: &str) -> Self {
        let random = SystemRandom::new();
        match algorithm {
            "RS256" => {
                // ring makes none.
                let mut openssl = Command::new("openssl");
                let made = openssl.args("genpkey -algorithm RSA -outform DER".split(' '));
                let made = made.output().expect("openssl");
                assert!(made.status.success(), "{made:?}");
                // By its version, in a wrapping or bare.
                let key = RsaKeyPair::from_pkcs8(&made.stdout)
                    .or_else(|_| RsaKeyPair::from_der(&made.stdout))
                    .expect("a key");
                Self::Rsa(Box::new(key))
            }
            "ES256" => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let made = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
                let key = EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random);
                Self::Ec(Box::new(key.expect("a key")))
            }
            "EdDSA" => {
                let made = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                let key = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
                Self::Ed(Box::new(key))
            }
            _ => Self::Secret(vec![b's'; 32]),
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Secret(_) => "HS256",
        }
    }

    /// Its public part, called `id`.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let numbers = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public_key());
                let (n, e) = (coded(&numbers.n), coded(&numbers.e));
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (coded(x), coded(y));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": x, "y": y})
            }
            Self::Ed(key) => {
                let x = coded(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            }
            Self::Secret(secret) => json!({"kty": "oct", "kid": id, "k": coded(secret)}),
        }
    }

    /// The public key as an attacker may take it for a secret.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            Self::Ec(key) => key.public_key().as_ref().to_vec(),
            Self::Ed(key) => key.public_key().as_ref().to_vec(),
            Self::Secret(secret) => secret.clone(),
        }
    }

    /// A token of `claims` by the key called `id`.
    pub(crate) fn token(&self, id: &str, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "typ": "JWT", "kid": id});
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A token of these two texts.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", coded(header.as_bytes()), coded(claims.as_bytes()));
        let message = signed.as_bytes();
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let made = key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                made.expect("a signature");
                signature
            }
            Self::Ec(key) => {
                let signature = key.sign(&random, message).expect("a signature");
                signature.as_ref().to_vec()
            }
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", coded(&signature))
    }
}

/// A JSON Web Key Set.
pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Writes `keys` to a file in `dir`, whose path is returned.
pub(crate) fn key_file(dir: &Path, keys: &[Value]) -> String {
    let path = dir.join("jwks.json");
    std::fs::write(&path, key_set(keys)).expect("writable");
    path.to_str().expect("a UTF-8 path").to_owned()
}

pub(crate) const ISSUER: &str = "https://gate.test";
pub(crate) const AUDIENCE: &str = "t3";

/// The claims of a token that names `user` now.
pub(crate) fn claims(user: &str) -> Value {
    let expires = seconds_since_1970() + 300;
    json!({"iss": ISSUER, "aud": AUDIENCE, "exp": expires, "iat": expires - 400, "sub": user})
}

pub(crate) fn seconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

pub(crate) fn coded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
