//! The tunnels that are open: how many each visitor has, and which are to end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::info;

use crate::metrics::upstream::TunnelEnd;
use crate::upstream::client::Upstream;
use crate::upstream::session::{self, Proof};

/// No [`TunnelEnd`].
const STAYS_OPEN: u8 = u8::MAX;

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
    is_cut: bool,
    owners: HashMap<Arc<str>, usize>,
    members: HashMap<u64, Arc<Member>>,
}

/// An open tunnel, as the others see it.
#[derive(Debug)]
struct Member {
    /// By what t3 has let it in, where it can be asked.
    proof: Option<Proof>,
    /// [`STAYS_OPEN`], or the [`TunnelEnd`] by which it is to end.
    ending: AtomicU8,
    waker: AtomicWaker,
}

/// A place for one tunnel, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    tunnels: Arc<Tunnels>,
    owner: Arc<str>,
}

/// The place of a tunnel that is open, given back when it is dropped.
#[derive(Debug)]
pub struct Membership {
    place: Place,
    number: u64,
    member: Arc<Member>,
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
    pub fn place(self: &Arc<Self>, owner: &str) -> Option<Place> {
        let mut open = self.open.lock();
        // All places of one owner share its name.
        let owner = match open.owners.get_key_value(owner) {
            Some((held, _)) => Arc::clone(held),
            None => owner.into(),
        };
        let count = open.owners.entry(Arc::clone(&owner)).or_default();
        if *count >= self.most_of_one {
            return None;
        }
        *count += 1;
        Some(Place {
            tunnels: Arc::clone(self),
            owner,
        })
    }

    /// Asks t3 every `interval`, while there are tunnels, for each of their sessions once, and ends
    /// those whose session is dead: t3 itself never does (contract §4). An answer that says
    /// nothing definite ends nothing.
    pub async fn end_dead(&self, upstream: &Upstream, interval: Duration) {
        loop {
            if self.sessions().is_empty() {
                self.opened.notified().await;
            }
            tokio::time::sleep(interval).await;
            for proof in self.sessions() {
                if session::is_alive(upstream, &proof).await == Some(false) {
                    let ended = self.end(TunnelEnd::SessionEnded, |held| held == Some(&proof));
                    info!(tunnels = ended, "a session with open tunnels has died");
                }
            }
        }
    }

    /// Ends every tunnel, and every one that would be opened from now on.
    pub fn cut(&self) {
        self.open.lock().is_cut = true;
        self.end(TunnelEnd::Drained, |_| true);
    }

    fn sessions(&self) -> HashSet<Proof> {
        let open = self.open.lock();
        let members = open.members.values();
        members.filter_map(|member| member.proof.clone()).collect()
    }

    fn end(&self, cause: TunnelEnd, is_meant: impl Fn(Option<&Proof>) -> bool) -> usize {
        let open = self.open.lock();
        let members = open.members.values();
        members
            .filter(|member| is_meant(member.proof.as_ref()))
            .inspect(|member| member.end(cause))
            .count()
    }
}

impl Member {
    fn end(&self, cause: TunnelEnd) {
        self.ending.store(cause as u8, Ordering::Release);
        self.waker.wake();
    }
}

impl Place {
    /// Its tunnel is open. It ends with the session of `proof`, where it has one.
    pub fn opened(self, proof: Option<Proof>) -> Membership {
        let has_session = proof.is_some();
        let member = Arc::new(Member {
            proof,
            ending: AtomicU8::new(STAYS_OPEN),
            waker: AtomicWaker::new(),
        });
        let mut open = self.tunnels.open.lock();
        let number = open.next;
        open.next += 1;
        open.members.insert(number, Arc::clone(&member));
        if open.is_cut {
            member.end(TunnelEnd::Drained);
        }
        drop(open);
        if has_session {
            self.tunnels.opened.notify_one();
        }
        Membership {
            place: self,
            number,
            member,
        }
    }
}

impl Membership {
    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.place.owner
    }

    /// Ready once the tunnel is to end although neither of its sides has ended it.
    pub fn poll_ending(&self, cx: &mut Context<'_>) -> Poll<TunnelEnd> {
        self.member.waker.register(cx.waker());
        let ending = self.member.ending.load(Ordering::Acquire);
        let mut causes = [TunnelEnd::SessionEnded, TunnelEnd::Drained].into_iter();
        let cause = causes.find(|cause| *cause as u8 == ending);
        cause.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.place.tunnels.open.lock().members.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.tunnels.open.lock();
        if let Some(count) = open.owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.owners.remove(&self.owner);
            }
        }
    }
}
