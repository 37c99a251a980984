//! Is a session still alive? t3 is asked, and a yes is remembered for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use crate::upstream::{Call, Upstream};

/// How long a session that was alive is taken to be.
const ALIVE_FOR: Duration = Duration::from_secs(30);

/// How many living sessions are remembered.
const MOST_SESSIONS: usize = 1024;

/// How long a page load waits for the answer. It needs one read of t3's database (contract §3).
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Knows which sessions were alive a moment ago.
#[derive(Debug, Default)]
pub(super) struct Check {
    alive: Mutex<HashMap<Box<[u8]>, Instant>>,
}

impl Check {
    /// Does t3 say that there is no such session? Anything but a definite no is none: whoever
    /// has a session must not lose it because t3 is busy.
    pub(super) async fn is_dead(&self, upstream: &Upstream, name: &str, value: &[u8]) -> bool {
        let remembered = self.lock().get(value).copied();
        if remembered.is_some_and(|since| since.elapsed() < ALIVE_FOR) {
            return false;
        }
        match ask(upstream, name, value).await {
            Some(true) => {
                self.remember(value);
                false
            }
            Some(false) => true,
            None => false,
        }
    }

    /// t3 has refused the session: it is not taken to be alive any longer.
    pub(super) fn forget(&self, value: &[u8]) {
        self.lock().remove(value);
    }

    fn remember(&self, value: &[u8]) {
        let mut alive = self.lock();
        if alive.len() >= MOST_SESSIONS {
            alive.retain(|_, since| since.elapsed() < ALIVE_FOR);
        }
        if alive.len() < MOST_SESSIONS {
            alive.insert(value.into(), Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Instant>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /api/auth/session` (contract §3): what t3 says of the session, if it says anything.
pub(super) async fn ask(upstream: &Upstream, name: &str, value: &[u8]) -> Option<bool> {
    let cookie = [name.as_bytes(), b"=", value].concat();
    let mut cookie = HeaderValue::from_bytes(&cookie).ok()?;
    cookie.set_sensitive(true);
    let call = Call::get("/api/auth/session").with(COOKIE, Some(cookie));
    let answer = upstream.call(call, CHECK_TIMEOUT).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let value: Value = serde_json::from_slice(answer.body()).ok()?;
    value["authenticated"].as_bool()
}
