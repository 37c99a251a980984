//! How far a client's body has come on its way to t3, for all who have to wait for it.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How far a client's body has come on its way to t3.
#[derive(Debug, Default)]
pub struct Upload {
    done: AtomicBool,
    last_moved: Mutex<Option<Instant>>,
}

impl Upload {
    /// Has all of it been handed to the connection?
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// When its last piece was handed on.
    pub fn last_moved(&self) -> Option<Instant> {
        *self.last_moved.lock()
    }

    /// A piece of it was handed on, the last one if `is_done`.
    pub fn note(&self, is_done: bool) {
        self.done.store(is_done, Ordering::Relaxed);
        *self.last_moved.lock() = Some(Instant::now());
    }
}
