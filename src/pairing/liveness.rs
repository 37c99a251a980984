//! Is a session still alive? t3 is asked, and a yes is remembered for a while.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::pairing::policy::Liveness;
use crate::upstream::Upstream;
use crate::upstream::api_call::{self, SessionCredential};

/// How many living sessions are remembered.
const MOST_SESSIONS: usize = 1024;

/// Knows which sessions were alive a moment ago.
#[derive(Debug)]
pub(super) struct Check {
    alive_for: Duration,
    alive: Mutex<HashMap<Box<[u8]>, Instant>>,
}

impl Check {
    /// Takes a session that was alive to be so for `alive_for`.
    pub(super) fn new(alive_for: Duration) -> Self {
        Self {
            alive_for,
            alive: Mutex::default(),
        }
    }

    /// What t3 says of the session: alive if it said so less than `alive_for` ago, else it is
    /// asked. Only a definite no makes it dead: nobody must lose a session because t3 is busy.
    pub(super) async fn liveness(&self, upstream: &Upstream, name: &str, value: &[u8]) -> Liveness {
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

    /// t3 has refused the session: it is not taken to be alive any longer.
    pub(super) fn forget(&self, value: &[u8]) {
        self.alive.lock().remove(value);
    }

    fn remember(&self, value: &[u8]) {
        let mut alive = self.alive.lock();
        if alive.len() >= MOST_SESSIONS {
            alive.retain(|_, since| since.elapsed() < self.alive_for);
        }
        if alive.len() < MOST_SESSIONS {
            alive.insert(value.into(), Instant::now());
        }
    }
}
