//! The tunnels that are open: how many each visitor has, and whose session has died since.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::session::{self, Proof};
use crate::upstream::Upstream;

/// Every open tunnel.
#[derive(Debug)]
pub struct Tunnels {
    most_of_one: usize,
    open: Mutex<Open>,
    opened: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    owners: HashMap<Arc<str>, usize>,
    by_session: HashMap<u64, (Proof, CancellationToken)>,
}

/// A place for one tunnel, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    tunnels: Arc<Tunnels>,
    owner: Arc<str>,
    number: Option<u64>,
    died: CancellationToken,
}

impl Tunnels {
    /// Nobody has more than `most_of_one` at a time.
    pub fn new(most_of_one: usize) -> Self {
        Self {
            most_of_one,
            open: Mutex::default(),
            opened: Notify::new(),
        }
    }

    /// A place for one more tunnel of `owner`; none if it has as many as it may.
    pub fn place(self: &Arc<Self>, owner: Arc<str>) -> Option<Place> {
        let mut open = self.lock();
        let count = open.owners.entry(Arc::clone(&owner)).or_default();
        if *count >= self.most_of_one {
            return None;
        }
        *count += 1;
        Some(Place {
            tunnels: Arc::clone(self),
            owner,
            number: None,
            died: CancellationToken::new(),
        })
    }

    /// Asks t3 every `interval`, while there are tunnels, for each of their sessions once, and ends
    /// those whose session is dead: t3 itself never does (contract §4). An answer that says
    /// nothing definite ends nothing.
    pub async fn end_dead(&self, upstream: &Upstream, interval: Duration) {
        loop {
            if self.lock().by_session.is_empty() {
                self.opened.notified().await;
            }
            tokio::time::sleep(interval).await;
            for proof in self.sessions() {
                if session::is_alive(upstream, &proof).await == Some(false) {
                    self.end(&proof);
                }
            }
        }
    }

    fn sessions(&self) -> HashSet<Proof> {
        let open = self.lock();
        let proofs = open.by_session.values();
        proofs.map(|(proof, _)| proof.clone()).collect()
    }

    fn end(&self, dead: &Proof) {
        let open = self.lock();
        let tunnels = open.by_session.values();
        let ended = tunnels
            .filter(|(proof, _)| proof == dead)
            .inspect(|(_, died)| died.cancel())
            .count();
        info!(tunnels = ended, "a session with open tunnels has died");
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The tunnel lives by this session: it ends with it.
    pub fn lives_by(&mut self, proof: Proof) {
        let mut open = self.tunnels.lock();
        let number = open.next;
        open.next += 1;
        open.by_session.insert(number, (proof, self.died.clone()));
        self.number = Some(number);
        self.tunnels.opened.notify_one();
    }

    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Set when the session has died.
    pub fn died(&self) -> &CancellationToken {
        &self.died
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.tunnels.lock();
        if let Some(number) = self.number {
            open.by_session.remove(&number);
        }
        if let Some(count) = open.owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.owners.remove(&self.owner);
            }
        }
    }
}
