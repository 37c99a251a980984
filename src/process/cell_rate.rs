//! How often something may happen: a burst, and one more after each interval (a generic cell rate: ITU-T I.371).

use std::time::Duration;

use tokio::time::Instant;

/// What is left of a burst.
#[derive(Debug, Clone, Copy)]
pub struct CellRate {
    /// When all of the burst is there again.
    full_at: Instant,
}

impl CellRate {
    /// All of the burst is there at `now`.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one at `now`, of a burst of so many of which one comes back after each `interval`. False if none is
    /// left.
    pub fn take(&mut self, now: Instant, burst: u32, interval: Duration) -> bool {
        let full_at = self.full_at.max(now) + interval;
        let is_left = full_at <= now + burst * interval;
        if is_left {
            self.full_at = full_at;
        }
        is_left
    }

    /// Gives one back, that was taken for nothing.
    pub fn give_back(&mut self, interval: Duration) {
        self.full_at -= interval;
    }

    /// Is all of the burst there at `now`?
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}
