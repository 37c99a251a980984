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
    latest: Mutex<Instant>,
    came: Notify,
}

impl Demand {
    /// Somebody waits now.
    pub(super) fn new() -> Self {
        Self {
            latest: Mutex::new(Instant::now()),
            came: Notify::new(),
        }
    }

    /// Somebody waits for t3.
    pub(super) fn note(&self) {
        *self.latest.lock() = Instant::now();
        self.came.notify_one();
    }

    /// Has nobody waited for a while?
    pub(super) fn is_over(&self) -> bool {
        self.latest.lock().elapsed() > PROBED_FOR
    }

    /// Waits until somebody does again.
    pub(super) async fn again(&self) {
        while self.is_over() {
            self.came.notified().await;
        }
    }
}
