//! The liveness of browsers' sessions: t3 is asked, and a yes is cached for a while.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::pairing::policy::Liveness;
use crate::upstream::Upstream;
use crate::upstream::api_call::{self, SessionCredential};

/// The maximum of sessions in the cache.
const MAX_SESSIONS: usize = 1024;

/// Remembers which session cookies t3 accepted a moment ago.
#[derive(Debug)]
pub(super) struct LivenessCache {
    alive_for: Duration,
    alive: Mutex<HashMap<Box<[u8]>, Instant>>,
}

impl LivenessCache {
    /// Takes a session that t3 called alive to be so for `alive_for`.
    pub(super) fn new(alive_for: Duration) -> Self {
        Self {
            alive_for,
            alive: Mutex::default(),
        }
    }

    /// Whether the session cookie of `name` and `value` is alive. t3 is asked unless it said so
    /// less than `alive_for` ago. Only a definite no counts: nobody must lose a session because
    /// t3 is busy.
    pub(super) async fn ask(&self, upstream: &Upstream, name: &str, value: &[u8]) -> Liveness {
        let remembered = self.alive.lock().get(value).copied();
        if remembered.is_some_and(|since| since.elapsed() < self.alive_for) {
            return Liveness::Alive;
        }
        let Some(proof) = SessionCredential::cookie(name, value) else {
            return Liveness::Dead;
        };
        match api_call::is_session_alive(upstream, &proof).await {
            Some(true) => self.remember(value),
            Some(false) => return Liveness::Dead,
            None => {}
        }
        Liveness::Alive
    }

    /// Drops a session that t3 has refused.
    pub(super) fn forget(&self, value: &[u8]) {
        self.alive.lock().remove(value);
    }

    /// Drops all: some were revoked.
    pub(super) fn forget_all(&self) {
        self.alive.lock().clear();
    }

    fn remember(&self, value: &[u8]) {
        let mut alive = self.alive.lock();
        if alive.len() >= MAX_SESSIONS {
            alive.retain(|_, since| since.elapsed() < self.alive_for);
        }
        if alive.len() < MAX_SESSIONS {
            alive.insert(value.into(), Instant::now());
        }
    }
}
