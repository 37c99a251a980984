//! The requests that the server received: each head, and how its exchange ended.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::http::head::Head;

/// One request that the server parsed.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target, byte for byte.
    pub target: Vec<u8>,
    /// Its header lines in order, the names as on the wire.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The serial number of its TCP connection, from 1.
    pub connection: u64,
    /// When its head was complete.
    pub at: Instant,
    outcome: Arc<AtomicU8>,
}

/// How an exchange ended, if it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its response is not complete yet.
    Open,
    /// Its response was sent whole.
    Completed,
    /// The client went away first.
    ClientGone,
    /// The server dropped it.
    Dropped,
}

impl Seen {
    /// How its exchange ended, so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.outcome.load(Ordering::Acquire) {
            1 => Outcome::Completed,
            2 => Outcome::ClientGone,
            3 => Outcome::Dropped,
            _ => Outcome::Open,
        }
    }

    /// Whether the client went away before the response was complete.
    #[must_use]
    pub fn aborted(&self) -> bool {
        self.outcome() == Outcome::ClientGone
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }
}

/// The kept requests, with a notification for those who wait for one.
#[derive(Debug)]
pub(crate) struct Record {
    seen: Mutex<Vec<Seen>>,
    keep: usize,
    changed: Notify,
}

impl Record {
    /// Keeps the last `keep` requests or more, at most twice as many.
    pub(crate) fn new(keep: usize) -> Record {
        Record {
            seen: Mutex::default(),
            keep,
            changed: Notify::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, head: &Head, connection: u64) -> InFlight<'_> {
        let outcome = Arc::new(AtomicU8::new(Outcome::Open as u8));
        if self.keep > 0 {
            let seen = Seen {
                method: head.method().to_owned(),
                target: head.target().to_vec(),
                headers: head
                    .headers()
                    .map(|(name, value)| (name.to_owned(), value.to_vec()))
                    .collect(),
                connection,
                at: Instant::now(),
                outcome: outcome.clone(),
            };
            let mut all = self.lock();
            if all.len() >= self.keep.saturating_mul(2) {
                all.drain(..self.keep);
            }
            all.push(seen);
        }
        self.changed.notify_waiters();
        InFlight {
            record: self,
            outcome,
        }
    }

    /// Checks again whenever a request arrives or ends.
    pub(crate) async fn wait_for(
        &self,
        deadline: Duration,
        what: impl Fn(&[Seen]) -> bool,
    ) -> bool {
        let met = async {
            loop {
                let changed = self.changed.notified();
                if what(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        timeout(deadline, met).await.is_ok()
    }
}

/// A request under way; by default it ends as dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    record: &'a Record,
    outcome: Arc<AtomicU8>,
}

impl InFlight<'_> {
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Ordering::Release);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let open = Outcome::Open as u8;
        let dropped = Outcome::Dropped as u8;
        let _ended_before =
            self.outcome
                .compare_exchange(open, dropped, Ordering::AcqRel, Ordering::Relaxed);
        self.record.changed.notify_waiters();
    }
}
