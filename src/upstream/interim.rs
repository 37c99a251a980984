//! Interim answers of t3 (1xx) on their way to one client.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

/// Interim answers (1xx, RFC 9110 §15.2) on their way to one client. hyper's server has no call
/// for them, so they are written beside it, between two of its messages.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

impl Interim {
    /// Queues the head of an interim answer.
    pub fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let mut head = Vec::with_capacity(128);
        let reason = status.canonical_reason().unwrap_or_default();
        let _ = write!(head, "HTTP/1.1 {} {reason}\r\n", status.as_str());
        for (name, value) in headers {
            let _ = write!(head, "{name}: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.bytes.lock().extend_from_slice(&head);
        self.waiting.store(true, Ordering::Release);
    }

    /// The queued heads; empty where there are none.
    pub fn take(&self) -> Vec<u8> {
        if self.waiting.swap(false, Ordering::Acquire) {
            std::mem::take(&mut *self.bytes.lock())
        } else {
            Vec::new()
        }
    }
}
