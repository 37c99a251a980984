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

use crate::upstream::Upstream;
use crate::upstream::api_call::{self, SessionCredential};

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
    proof: Option<SessionCredential>,
    /// Not 0 when it is to end: an [`Ending`].
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

/// Why a tunnel is to end, which neither of its sides has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// Its session has died.
    SessionDied = 1,
    /// The server is at the end of its drain.
    Cut = 2,
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
                if api_call::is_session_alive(upstream, &proof).await == Some(false) {
                    let ended = self.end(Ending::SessionDied, |held| held == Some(&proof));
                    info!(tunnels = ended, "a session with open tunnels has died");
                }
            }
        }
    }

    /// Ends every tunnel, and every one that would be opened from now on.
    pub fn cut(&self) {
        self.open.lock().is_cut = true;
        self.end(Ending::Cut, |_| true);
    }

    fn sessions(&self) -> HashSet<SessionCredential> {
        let open = self.open.lock();
        let members = open.members.values();
        members.filter_map(|member| member.proof.clone()).collect()
    }

    fn end(&self, ending: Ending, is_meant: impl Fn(Option<&SessionCredential>) -> bool) -> usize {
        let open = self.open.lock();
        let members = open.members.values();
        members
            .filter(|member| is_meant(member.proof.as_ref()))
            .inspect(|member| member.end(ending))
            .count()
    }
}

impl Member {
    fn end(&self, ending: Ending) {
        self.ending.store(ending as u8, Ordering::Release);
        self.waker.wake();
    }
}

impl Place {
    /// Its tunnel is open. It ends with the session of `proof`, where it has one.
    pub fn opened(self, proof: Option<SessionCredential>) -> Membership {
        let has_session = proof.is_some();
        let member = Arc::new(Member {
            proof,
            ending: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        });
        let mut open = self.tunnels.open.lock();
        let number = open.next;
        open.next += 1;
        open.members.insert(number, Arc::clone(&member));
        if open.is_cut {
            member.end(Ending::Cut);
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

    /// Ready once the tunnel is to end.
    pub fn poll_ending(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.member.waker.register(cx.waker());
        match self.member.ending.load(Ordering::Acquire) {
            0 => Poll::Pending,
            ending if ending == Ending::Cut as u8 => Poll::Ready(Ending::Cut),
            _ => Poll::Ready(Ending::SessionDied),
        }
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
