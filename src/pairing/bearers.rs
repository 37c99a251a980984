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

/// The maximum of tokens that are remembered.
const MAX_TOKENS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// How many questions t3 is asked at a time.
const MAX_QUESTIONS: usize = 4;

/// What is known of apps' tokens.
#[derive(Debug)]
pub struct Bearers {
    upstream: Arc<Upstream>,
    known: Mutex<LruCache<ValueKey, Known>>,
    questions: Semaphore,
}

/// What t3 said of a token when it was asked last.
#[derive(Debug, Clone, Copy)]
struct Known {
    is_alive: bool,
    at: Instant,
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
            known: Mutex::new(lru_cache(MAX_TOKENS)),
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
        if let Some(said) = self.said_lately(&key) {
            return said;
        }
        let was_alive =
            |known: &mut LruCache<_, Known>| known.get(&key).is_some_and(|it| it.is_alive);
        if !was_alive(&mut self.known.lock()) && !may_ask() {
            return Confirmation::NotAsked;
        }
        // It is never closed.
        let _turn = self.questions.acquire().await;
        if let Some(said) = self.said_lately(&key) {
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

    fn said_lately(&self, key: &ValueKey) -> Option<Confirmation> {
        let mut known = self.known.lock();
        let known = known.get(key).filter(|it| it.at.elapsed() < REMEMBERED)?;
        Some(Confirmation::of(known.is_alive))
    }

    fn note(&self, key: ValueKey, is_alive: bool) -> Confirmation {
        let at = Instant::now();
        self.known.lock().put(key, Known { is_alive, at });
        Confirmation::of(is_alive)
    }
}

impl Confirmation {
    fn of(is_alive: bool) -> Self {
        match is_alive {
            true => Self::Confirmed,
            false => Self::Refused,
        }
    }
}
