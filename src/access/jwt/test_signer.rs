//! What signs in the unit tests.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// What signs in these tests.
pub(super) enum Signer {
    Ec(Box<EcdsaKeyPair>),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Signer {
    pub(super) fn ec() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random);
        Self::Ec(Box::new(key.expect("a key")))
    }

    pub(super) fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    pub(super) fn jwk(&self, id: &str) -> Value {
        let coded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": coded(x), "y": coded(y)})
            }
            Self::Ed(key) => {
                let x = coded(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            }
            Self::Secret(secret) => json!({"kty": "oct", "kid": id, "k": coded(secret)}),
        }
    }

    /// A token of these parts, each as it stands here.
    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        let coded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let signed = format!("{}.{}", coded(header.as_bytes()), coded(claims.as_bytes()));
        let message = signed.as_bytes();
        let signature = match self {
            Self::Ec(key) => {
                let signature = key.sign(&SystemRandom::new(), message);
                signature.expect("a signature").as_ref().to_vec()
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
