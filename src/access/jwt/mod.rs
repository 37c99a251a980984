//! Signed identity: the person whom a gate's token names, once its signature was verified.
//!
//! A request's token is looked up among those that are known ([`SignedIdentity::claimed`], on both ways
//! through). One that is not is verified on hyper's way alone, before ([`SignedIdentity::verify`]): it may
//! have to wait for a key.

mod claims;
mod key_fetch;
mod key_source;
mod keys;
mod known_tokens;
mod published_keys;
mod refusal;
mod signatures;
mod strict_json;
#[cfg(test)]
mod test_signer;
mod token;
mod token_header;

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderName;
use http::header::AUTHORIZATION;
use tokio::time::Instant;

use crate::access::identity::trimmed;
use crate::access::jwt::claims::ClaimRules;
use crate::access::jwt::key_source::KeySource;
use crate::access::jwt::keys::NoKey;
use crate::access::jwt::known_tokens::KnownTokens;
use crate::access::jwt::refusal::Refusal;
use crate::access::jwt::token::TokenRules;
use crate::access::visitor::Claimed;
use crate::config::signed_config::SignedConfig;
use crate::config::timing::Timing;
use crate::http_rules::HeaderView;
use crate::http_rules::gates::jwt_of_bearer;
use crate::limited;
use crate::process::Tasks;

/// The gate's tokens: what they must be like, the keys that sign them, and those that are known.
#[derive(Debug)]
pub(super) struct SignedIdentity {
    header: HeaderName,
    rules: TokenRules,
    keys: KeySource,
    known: KnownTokens,
}

impl SignedIdentity {
    /// What `config` states. `domains` are taken off the names.
    ///
    /// # Errors
    /// Where the file with the keys cannot be read, or its address is none.
    pub(super) fn new(
        config: SignedConfig,
        domains: Vec<String>,
        timing: Timing,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let algorithms: Vec<_> = config.algorithms.iter().map(token::algorithm).collect();
        Ok(Self {
            header: config.header,
            rules: TokenRules::new(
                &algorithms,
                &config.issuer,
                &config.audiences,
                ClaimRules {
                    claim: config.claim,
                    groups_claim: config.groups_claim,
                    domains,
                },
            ),
            keys: KeySource::open(config.keys, timing, tasks)?,
            known: KnownTokens::new(),
        })
    }

    /// The field with the token.
    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Whom the token in `fields` names, as far as it is known.
    pub(super) fn claimed(&self, fields: &(impl HeaderView + ?Sized)) -> Claimed<'static> {
        let Some(token) = self.token(fields) else {
            return Claimed::Nobody;
        };
        let known = self.keys.with(|keys| {
            let generation = keys?.generation();
            self.known.person(token, generation, seconds_since_1970())
        });
        known.map_or(Claimed::Unverified, Claimed::Known)
    }

    /// Verifies the token in `fields`, unless it is known. Waits for its key where that may be had.
    pub(super) async fn verify(&self, fields: &(impl HeaderView + ?Sized)) {
        if self.claimed(fields) != Claimed::Unverified {
            return;
        }
        let Some(token) = self.token(fields) else {
            return;
        };
        let mut verified = self.verify_now(token);
        if let Err((Refusal::Key(NoKey::Unknown), generation)) = verified
            && self.keys.others_than(generation).await
        {
            verified = self.verify_now(token);
        }
        if let Err((refusal, _)) = verified {
            let why = refusal.why();
            limited!(INFO, "a token counts for nobody"; why);
        }
    }

    /// Verifies `token` by the keys that are there. An error has their generation.
    fn verify_now(&self, token: &[u8]) -> Result<(), (Refusal, Option<u64>)> {
        self.keys.with(|keys| {
            let keys = keys.ok_or((Refusal::Key(NoKey::Unknown), None))?;
            let generation = keys.generation();
            let verified = self.rules.verify(token, keys);
            let verified = verified.map_err(|refusal| (refusal, Some(generation)))?;
            self.known.keep(token, verified, generation);
            Ok(())
        })
    }

    /// Need its keys not be looked at, at `now`?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.keys.is_fresh(now)
    }

    /// Looks at its keys again, if that has not been done for a while.
    pub(super) async fn refresh(&self) {
        self.keys.refresh().await;
    }

    /// The one token in `fields`. In `Authorization` it is a Bearer token of three parts: t3's own have two.
    fn token<'a>(&'a self, fields: &'a (impl HeaderView + ?Sized)) -> Option<&'a [u8]> {
        let value = trimmed(fields.single(&self.header)?);
        match self.header == AUTHORIZATION {
            true => jwt_of_bearer(value),
            false => Some(value).filter(|value| !value.is_empty()),
        }
    }
}

fn seconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // Before 1970 nothing has expired: then nothing counts.
    since.map_or(u64::MAX, |since| since.as_secs())
}
