//! Tokens of sessions and tickets: `base64url(claims).base64url(mac)` (contract §4), 403 characters for a browser's
//! session.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// In this order, so that a browser session's claims are the 269 bytes they are in t3.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) v: u8,
    pub(super) kind: String,
    pub(super) sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl Claims {
    pub(super) fn sign(&self, key: &[u8]) -> String {
        let claims = serde_json::to_vec(self).expect("strings and numbers serialise");
        let claims = BASE64URL_NOPAD.encode(&claims);
        let mac = BASE64URL_NOPAD.encode(&mac(key, claims.as_bytes()));
        format!("{claims}.{mac}")
    }
}

/// The claims of a token, if this key signed it as one of that kind.
pub(super) fn claims(key: &[u8], kind: &str, token: &str) -> Option<Claims> {
    let (claims, signature) = token.split_once('.')?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    if signature != mac(key, claims.as_bytes()) {
        return None;
    }
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    (claims.kind == kind).then_some(claims)
}

/// 32 bytes over key and text. A plain keyed hash is enough for a stand-in.
fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(key)
        .chain_update(text)
        .finalize()
        .into()
}
