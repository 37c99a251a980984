//! The state that all connections of one server share.

pub(crate) mod open;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::bundle::Bundle;
use crate::clock;
use crate::faults::{DEFAULT_COOKIE_NAME, Faults};
use crate::random;
use crate::seen::Record;
use crate::store::Store;
use crate::store::sessions::SessionRow;
use open::Open;

/// The phases of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    Running,
    /// After SIGTERM: no new connections, idle ones closed.
    Draining,
    /// After the grace period: what is open is cut.
    Cut,
    /// After SIGKILL: every socket is dropped.
    Killed,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) environment_id: String,
    pub(crate) addr: SocketAddr,
    pub(crate) record: Record,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) open: watch::Sender<Open>,
    pub(crate) wedged: AtomicBool,
    started: Instant,
    desktop: bool,
    pub(crate) bundle: Bundle,
    faults: RwLock<Arc<Faults>>,
    tickets: Mutex<HashMap<String, Ticket>>,
    connected: Mutex<HashMap<String, usize>>,
}

/// What the server reports about itself.
pub(crate) struct Identity {
    pub(crate) environment_id: String,
    /// Mode desktop.
    pub(crate) desktop: bool,
    pub(crate) bundle: Bundle,
    pub(crate) faults: Faults,
}

#[derive(Debug)]
struct Ticket {
    session_id: String,
    expires_ms: u64,
}

impl State {
    pub(crate) fn new(
        store: Store,
        addr: SocketAddr,
        identity: Identity,
        keep_requests: usize,
    ) -> State {
        let Identity {
            environment_id,
            desktop,
            bundle,
            faults,
        } = identity;
        State {
            store,
            environment_id,
            addr,
            record: Record::new(keep_requests),
            phase: watch::Sender::new(Phase::Running),
            open: watch::Sender::default(),
            wedged: AtomicBool::new(false),
            started: Instant::now(),
            desktop,
            bundle,
            faults: RwLock::new(Arc::new(faults)),
            tickets: Mutex::default(),
            connected: Mutex::default(),
        }
    }

    /// Waits for that phase or a later one.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut now = self.phase.subscribe();
        let _sender_lives_in_self = now.wait_for(|now| *now >= phase).await;
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        self.faults
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn put_faults(&self, faults: Faults) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    /// Whether the port accepts but no request is served yet (contract §7).
    pub(crate) fn is_silent(&self, faults: &Faults) -> bool {
        faults.silent_start_ms > 0
            && self.started.elapsed() < Duration::from_millis(faults.silent_start_ms)
    }

    /// `t3_session`, in mode desktop with the port (contract §2), unless a fault renames it.
    pub(crate) fn cookie_name(&self, faults: &Faults) -> String {
        if self.desktop && faults.cookie_name == DEFAULT_COOKIE_NAME {
            format!("{DEFAULT_COOKIE_NAME}_{}", self.addr.port())
        } else {
            faults.cookie_name.clone()
        }
    }

    /// A ticket and its expiry in milliseconds since 1970; reusable until then (contract §4).
    pub(crate) fn issue_ticket(&self, session_id: String) -> (String, u64) {
        let ticket = random::ticket();
        let expires_ms = clock::now_ms() + clock::PAIRING_TTL_MS;
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.insert(
            ticket.clone(),
            Ticket {
                session_id,
                expires_ms,
            },
        );
        (ticket, expires_ms)
    }

    pub(crate) fn session_of_ticket(&self, ticket: &str) -> Option<SessionRow> {
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = tickets
            .get(ticket)
            .filter(|ticket| ticket.expires_ms > clock::now_ms())?;
        self.store
            .session(&ticket.session_id)
            .filter(SessionRow::is_live)
    }

    /// After a refused handshake of an authenticated client: its fiber leaks, and the stop never ends (contract §7).
    pub(crate) fn wedge(&self) {
        self.wedged.store(true, Ordering::Release);
    }

    /// Counts a session's open WebSockets, for the clients list.
    pub(crate) fn connect(&self, session_id: &str, sockets: isize) {
        let mut connected = self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = connected.entry(session_id.to_owned()).or_default();
        *count = count.saturating_add_signed(sockets);
    }

    pub(crate) fn is_connected(&self, session_id: &str) -> bool {
        let connected = self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connected.get(session_id).is_some_and(|&count| count > 0)
    }
}
