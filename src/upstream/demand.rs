//! Whether anybody waits for t3: one of many that is down is probed only while somebody does.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a t3 that is not up is probed after the last request for it.
const PROBED_FOR: Duration = Duration::from_secs(30);

/// When t3 was last waited for.
#[derive(Debug)]
pub(super) struct Demand {
    /// None where the last one who waited counts no more.
    latest: Mutex<Option<Instant>>,
    came: Notify,
    /// Is one that is down and that nobody waits for asleep?
    pub(super) can_be_woken: bool,
}

impl Demand {
    /// Somebody waits now.
    pub(super) fn new(can_be_woken: bool) -> Self {
        Self {
            latest: Mutex::new(Some(Instant::now())),
            came: Notify::new(),
            can_be_woken,
        }
    }

    /// Somebody waits for t3.
    pub(super) fn note(&self) {
        *self.latest.lock() = Some(Instant::now());
        self.came.notify_one();
    }

    /// Has nobody waited for a while?
    pub(super) fn is_over(&self) -> bool {
        let latest = *self.latest.lock();
        latest.is_none_or(|latest| latest.elapsed() > PROBED_FOR)
    }

    /// Nobody waits, whoever did a moment ago.
    pub(super) fn forget(&self) {
        *self.latest.lock() = None;
    }

    /// Waits until somebody does again.
    pub(super) async fn again(&self) {
        while self.is_over() {
            self.came.notified().await;
        }
    }
}
