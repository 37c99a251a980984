//! The liveness of browsers' sessions: t3 is asked, and a yes is cached for a while.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::pairing::policy::Liveness;
use crate::upstream::client::Upstream;
use crate::upstream::session::{self, Proof};

/// How long a session counts as alive after t3 said so.
const ALIVE_FOR: Duration = Duration::from_secs(30);

/// The maximum of sessions in the cache.
const MAX_SESSIONS: usize = 1024;

/// Remembers which session cookies t3 accepted a moment ago.
#[derive(Debug, Default)]
pub(super) struct LivenessCache {
    alive: Mutex<HashMap<Box<[u8]>, Instant>>,
}

impl LivenessCache {
    /// Whether the session cookie of `name` and `value` is alive. t3 is asked unless it said so
    /// less than [`ALIVE_FOR`] ago. Only a definite no counts: nobody must lose a session because
    /// t3 is busy.
    pub(super) async fn ask(&self, upstream: &Upstream, name: &str, value: &[u8]) -> Liveness {
        let remembered = self.alive.lock().get(value).copied();
        if remembered.is_some_and(|since| since.elapsed() < ALIVE_FOR) {
            return Liveness::Alive;
        }
        let Some(proof) = Proof::cookie(name, value) else {
            return Liveness::Dead;
        };
        match session::is_alive(upstream, &proof).await {
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

    fn remember(&self, value: &[u8]) {
        let mut alive = self.alive.lock();
        if alive.len() >= MAX_SESSIONS {
            alive.retain(|_, since| since.elapsed() < ALIVE_FOR);
        }
        if alive.len() < MAX_SESSIONS {
            alive.insert(value.into(), Instant::now());
        }
    }
}
