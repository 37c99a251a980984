//! The session that t3 admitted a tunnel with, as far as it is known. Pure.

use sha2::{Digest, Sha256};

use crate::upstream::api_call::SessionCredential;

/// A session of t3's: 16 bytes of the SHA-256 of its id, as thousands of tunnels have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// The session of `id`, the `sid` of its tokens' claims (contract §4).
    pub fn of(id: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(id).into();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}

/// What is known of the session that t3 admitted a tunnel with. Nothing, if it had none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TunnelSession {
    /// Which one it is, if what admitted it says so: then t3's client list tells whether it lives.
    pub key: Option<SessionKey>,
    /// What t3 can be asked about it with: neither a ticket, nor a token that is bound by DPoP.
    pub proof: Option<SessionCredential>,
}

impl TunnelSession {
    /// Can t3 tell whether it lives?
    pub(super) fn is_known(&self) -> bool {
        self.key.is_some() || self.proof.is_some()
    }
}
