//! The open tunnels: limits how many each visitor has, and ends them with their session or at the cut.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::metrics::upstream::TunnelEnd;
use crate::tunnel::record::{CUT, Ending, TunnelRecord};
use crate::tunnel::session::TunnelSession;

/// Every open tunnel.
#[derive(Debug)]
pub struct Tunnels {
    per_owner_limit: usize,
    state: Mutex<RegistryState>,
    session_registered: Notify,
    person_registered: Notify,
    opened: Notify,
}

#[derive(Debug, Default)]
struct RegistryState {
    next_number: u64,
    /// How every tunnel is to end, also one that is registered from now on.
    ending: u8,
    owners: HashMap<Arc<str>, usize>,
    registered: HashMap<u64, Arc<TunnelRecord>>,
}

/// The permit for one tunnel of an owner, returned when it is dropped.
#[derive(Debug)]
pub struct TunnelPermit {
    tunnels: Arc<Tunnels>,
    owner: Arc<str>,
}

/// The registration of an open tunnel, removed when it is dropped.
#[derive(Debug)]
pub struct TunnelRegistration {
    permit: TunnelPermit,
    number: u64,
    tunnel: Arc<TunnelRecord>,
}

impl Tunnels {
    /// A registry in which no owner has more than `per_owner_limit` tunnels at a time.
    pub fn new(per_owner_limit: usize) -> Self {
        Self {
            per_owner_limit,
            state: Mutex::default(),
            session_registered: Notify::new(),
            person_registered: Notify::new(),
            opened: Notify::new(),
        }
    }

    /// A permit for one more tunnel of `owner`; `None` if it has as many as it may.
    pub fn permit(self: &Arc<Self>, owner: &str) -> Option<TunnelPermit> {
        let mut state = self.state.lock();
        // All permits of one owner share its name.
        let owner = match state.owners.get_key_value(owner) {
            Some((held, _)) => Arc::clone(held),
            None => owner.into(),
        };
        let count = state.owners.entry(Arc::clone(&owner)).or_default();
        if *count >= self.per_owner_limit {
            return None;
        }
        *count += 1;
        Some(TunnelPermit {
            tunnels: Arc::clone(self),
            owner,
        })
    }

    /// Is any tunnel open?
    pub fn is_any_open(&self) -> bool {
        self.count() > 0
    }

    /// How many tunnels are open.
    pub fn count(&self) -> usize {
        self.state.lock().registered.len()
    }

    /// Waits until a tunnel is open.
    pub(super) async fn wait_until_open(&self) {
        while !self.is_any_open() {
            self.opened.notified().await;
        }
    }

    /// Closes every tunnel that is open; returns how many.
    pub(super) fn close_all(&self, cause: TunnelEnd) -> usize {
        self.end(cause, |_| true)
    }

    /// Closes every tunnel, also those that are registered from now on: nobody may use this t3 any more.
    pub fn end_access(&self) {
        self.end_for_good(TunnelEnd::AccessEnded as u8);
    }

    /// Closes the tunnels of the person of `identity`, who may not use this t3 any more; returns how many.
    pub fn end_of(&self, identity: &str) -> usize {
        if !self.state.lock().owners.contains_key(identity) {
            return 0;
        }
        self.end(TunnelEnd::AccessEnded, |tunnel| {
            tunnel.is_person && &*tunnel.owner == identity
        })
    }

    /// The people who have tunnels, and may use this t3 as far as is known.
    pub fn people(&self) -> HashSet<Arc<str>> {
        let state = self.state.lock();
        let tunnels = state.registered.values();
        let of_people = tunnels.filter(|tunnel| tunnel.is_person && !tunnel.has_no_access());
        of_people.map(|tunnel| Arc::clone(&tunnel.owner)).collect()
    }

    /// Waits until somebody who is known has a tunnel.
    pub async fn wait_until_of_person(&self) {
        while self.people().is_empty() {
            self.person_registered.notified().await;
        }
    }

    /// Closes every tunnel, also those that are registered from now on: the drain has begun.
    pub fn drain(&self) {
        self.end_for_good(TunnelEnd::Drained as u8);
    }

    /// Ends every tunnel at once, also those that are registered from now on.
    pub fn cut(&self) {
        self.end_for_good(CUT);
    }

    fn end_for_good(&self, ending: u8) {
        let mut state = self.state.lock();
        state.ending = state.ending.max(ending);
        for tunnel in state.registered.values() {
            tunnel.end(ending);
        }
    }

    /// Closes the tunnels of a session that has died; returns how many.
    pub fn end_session(&self, session: &TunnelSession) -> usize {
        let is_its = |tunnel: &TunnelRecord| tunnel.session == *session;
        self.end(TunnelEnd::SessionEnded, is_its)
    }

    /// Waits until there is a tunnel with a session that is known.
    pub async fn wait_until_of_session(&self) {
        if self.sessions().is_empty() {
            self.session_registered.notified().await;
        }
    }

    /// The sessions of all tunnels, as far as they are known.
    pub fn sessions(&self) -> HashSet<TunnelSession> {
        let state = self.state.lock();
        let sessions = state.registered.values().map(|tunnel| &tunnel.session);
        sessions
            .filter(|session| session.is_known())
            .cloned()
            .collect()
    }

    fn end(&self, cause: TunnelEnd, is_meant: impl Fn(&TunnelRecord) -> bool) -> usize {
        let state = self.state.lock();
        let tunnels = state.registered.values();
        let meant = tunnels.filter(|tunnel| is_meant(tunnel));
        meant.filter(|tunnel| tunnel.end(cause as u8)).count()
    }
}

impl TunnelPermit {
    /// Registers the tunnel as open. It ends with its `session`, if that is known. `is_person` says whether its
    /// owner is known by an identity.
    pub fn register(self, session: TunnelSession, is_person: bool) -> TunnelRegistration {
        let has_session = session.is_known();
        let mut state = self.tunnels.state.lock();
        let owner = Arc::clone(&self.owner);
        let tunnel = TunnelRecord::new(owner, is_person, session, state.ending);
        let tunnel = Arc::new(tunnel);
        let number = state.next_number;
        state.next_number += 1;
        state.registered.insert(number, Arc::clone(&tunnel));
        drop(state);
        self.tunnels.opened.notify_one();
        if has_session {
            self.tunnels.session_registered.notify_one();
        }
        if is_person {
            self.tunnels.person_registered.notify_one();
        }
        TunnelRegistration {
            permit: self,
            number,
            tunnel,
        }
    }
}

impl TunnelRegistration {
    /// The name of its owner.
    pub fn owner(&self) -> &str {
        &self.permit.owner
    }

    /// Has the tunnel closed: its owner may not use this t3 any more.
    pub fn end_access(&self) {
        self.tunnel.end(TunnelEnd::AccessEnded as u8);
    }

    /// Ready when the tunnel has to end although neither of its sides has ended it.
    pub fn poll_ending(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.tunnel.poll_ending(cx)
    }
}

impl Drop for TunnelRegistration {
    fn drop(&mut self) {
        self.permit
            .tunnels
            .state
            .lock()
            .registered
            .remove(&self.number);
    }
}

impl Drop for TunnelPermit {
    fn drop(&mut self) {
        let mut state = self.tunnels.state.lock();
        if let Some(count) = state.owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                state.owners.remove(&self.owner);
            }
        }
    }
}
