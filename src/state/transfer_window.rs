//! How much a client has moved since it was first waited for: tells a slow client from a busy one. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A client that is waited for must move this much a second, averaged over a window.
const SLOWEST_BYTES_A_SECOND: u64 = 256;

/// How much has moved since the client was first waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransferWindow {
    pub(super) since: Instant,
    pub(super) moved: u64,
    pub(super) is_blocked: bool,
}

impl TransferWindow {
    /// The window that the client is waited for in, which begins now unless it is `held` already.
    pub(super) fn blocked(held: Option<Self>) -> Self {
        let (since, moved) = match held {
            Some(window) => (window.since, window.moved),
            None => (Instant::now(), 0),
        };
        Self {
            since,
            moved,
            is_blocked: true,
        }
    }

    /// The client has sent `count` bytes.
    pub(super) fn sent(&mut self, count: usize) {
        self.moved += count as u64;
        self.is_blocked = false;
    }

    /// The client has taken `count` bytes.
    pub(super) fn taken(&mut self, count: usize) {
        self.moved += count as u64;
    }

    /// Ends what is `held` where it began `limit` before `now`, and begins another where the client is waited
    /// for still. Has it moved too little meanwhile?
    pub(super) fn is_too_slow(held: &mut Option<Self>, now: Instant, limit: Duration) -> bool {
        let Some(window) = held.filter(|window| now >= window.since + limit) else {
            return false;
        };
        *held = window.is_blocked.then(|| Self::blocked(None));
        let slowest = (limit.as_millis() as u64 * SLOWEST_BYTES_A_SECOND / 1000).max(1);
        window.is_blocked && window.moved < slowest
    }
}
