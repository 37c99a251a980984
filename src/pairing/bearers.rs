//! The tokens of apps: which of them t3 has confirmed, so that nothing of t3 but that question is reached with
//! another one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::pairing::keys::ValueKey;
use crate::process::lru_cache::lru_cache;
use crate::upstream::Upstream;
use crate::upstream::api_call::{self, SessionCredential};

/// How long t3's word on a token counts.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The maximum of tokens that are remembered, of those that t3 confirms and of those that it refuses.
const MAX_TOKENS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// How many questions t3 is asked at a time.
const MAX_QUESTIONS: usize = 4;

/// What is known of apps' tokens.
#[derive(Debug)]
pub struct Bearers {
    upstream: Arc<Upstream>,
    known: Mutex<Known>,
    questions: Semaphore,
}

/// When t3 was asked last about which token. Whoever shows tokens of his own making has none forgotten that t3 confirms.
#[derive(Debug)]
struct Known {
    confirmed: LruCache<ValueKey, Instant>,
    refused: LruCache<ValueKey, Instant>,
}

/// Whether a token is that of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// t3 says so.
    Confirmed,
    /// t3 says that it is none.
    Refused,
    /// t3 gives no answer.
    Unknown,
    /// t3 is not asked: too many unknown ones were shown.
    NotAsked,
}

impl Bearers {
    /// Nothing is known; `upstream` is asked.
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            known: Mutex::new(Known {
                confirmed: lru_cache(MAX_TOKENS),
                refused: lru_cache(MAX_TOKENS),
            }),
            questions: Semaphore::new(MAX_QUESTIONS),
        }
    }

    /// Notes that t3 has issued `token` just now.
    pub fn issued(&self, token: &str) {
        self.note(ValueKey::of(token.as_bytes()), true);
    }

    /// Whether `token`, in the `authorization` of a request, is that of a session, by t3's word of now or of the last
    /// 30 s. t3 is asked about one that it has not confirmed lately only if `may_ask` allows that.
    pub async fn confirm(
        &self,
        token: &str,
        authorization: &HeaderValue,
        may_ask: impl FnOnce() -> bool,
    ) -> Confirmation {
        let key = ValueKey::of(token.as_bytes());
        if let Some(said) = self.known.lock().said_lately(&key) {
            return said;
        }
        let was_confirmed = self.known.lock().confirmed.contains(&key);
        if !was_confirmed && !may_ask() {
            return Confirmation::NotAsked;
        }
        // It is never closed.
        let _turn = self.questions.acquire().await;
        if let Some(said) = self.known.lock().said_lately(&key) {
            // Another request of the same app has asked meanwhile.
            return said;
        }
        let Some(proof) = SessionCredential::authorization(authorization) else {
            return Confirmation::Refused;
        };
        match api_call::is_session_alive(&self.upstream, &proof).await {
            Some(is_alive) => self.note(key, is_alive),
            None => Confirmation::Unknown,
        }
    }

    fn note(&self, key: ValueKey, is_alive: bool) -> Confirmation {
        let (now, mut known) = (Instant::now(), self.known.lock());
        if is_alive {
            known.confirmed.put(key, now);
            Confirmation::Confirmed
        } else {
            known.confirmed.pop(&key);
            known.refused.put(key, now);
            Confirmation::Refused
        }
    }
}

impl Known {
    fn said_lately(&mut self, key: &ValueKey) -> Option<Confirmation> {
        let is_recent = |at: Option<&Instant>| at.is_some_and(|at| at.elapsed() < REMEMBERED);
        if is_recent(self.confirmed.get(key)) {
            return Some(Confirmation::Confirmed);
        }
        is_recent(self.refused.get(key)).then_some(Confirmation::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_none_push_out_none_that_is_one() {
        let mut known = Known {
            confirmed: lru_cache(MAX_TOKENS),
            refused: lru_cache(MAX_TOKENS),
        };
        let (own, now) = (ValueKey::of(b"own"), Instant::now());
        known.confirmed.put(own, now);
        for number in 0..2 * MAX_TOKENS.get() {
            known.refused.put(ValueKey::of(&number.to_be_bytes()), now);
        }
        assert_eq!(known.said_lately(&own), Some(Confirmation::Confirmed));
        assert_eq!(known.refused.len(), MAX_TOKENS.get());
        assert_eq!(known.said_lately(&ValueKey::of(b"other")), None);
    }
}
