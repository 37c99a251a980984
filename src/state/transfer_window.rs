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

    /// Has the client moved too little, averaged over `limit`, which has passed?
    pub(super) fn is_slow(&self, limit: Duration) -> bool {
        let slowest = (limit.as_millis() as u64 * SLOWEST_BYTES_A_SECOND / 1000).max(1);
        self.is_blocked && self.moved < slowest
    }
}
