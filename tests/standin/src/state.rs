//! The state that all connections of one server share.

pub(crate) mod open;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::bundle::Bundle;
use crate::edition::Facts;
use crate::faults::{DEFAULT_COOKIE_NAME, Faults};
use crate::seen::Record;
use crate::store::Store;
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
    pub(crate) facts: &'static Facts,
    faults: RwLock<Arc<Faults>>,
    connected: Mutex<HashMap<String, usize>>,
}

/// What the server reports about itself.
pub(crate) struct Identity {
    pub(crate) environment_id: String,
    /// Mode desktop.
    pub(crate) desktop: bool,
    pub(crate) bundle: Bundle,
    pub(crate) facts: &'static Facts,
    pub(crate) faults: Faults,
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
            facts,
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
            facts,
            faults: RwLock::new(Arc::new(faults)),
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

    /// How long requests are held yet, after the silence (contract §7).
    pub(crate) fn held_for(&self, faults: &Faults) -> Duration {
        let ready_ms = faults.silent_start_ms.saturating_add(faults.held_start_ms);
        match faults.held_start_ms {
            0 => Duration::ZERO,
            _ => Duration::from_millis(ready_ms).saturating_sub(self.started.elapsed()),
        }
    }

    /// The session cookie's name (contract §2), unless a fault renames it.
    pub(crate) fn cookie_name(&self, faults: &Faults) -> String {
        if faults.cookie_name != DEFAULT_COOKIE_NAME {
            return faults.cookie_name.clone();
        }
        let port = self.addr.port();
        if self.desktop {
            return format!("{DEFAULT_COOKIE_NAME}_{port}");
        }
        if !self.facts.hashes_cookie_name {
            return DEFAULT_COOKIE_NAME.to_owned();
        }
        if self.is_remote() {
            return format!(
                "{DEFAULT_COOKIE_NAME}_{}",
                short_hash(self.environment_id.as_bytes())
            );
        }
        let data = self.store.base().absolute().join("userdata");
        let data = short_hash(data.as_os_str().as_encoded_bytes());
        format!("{DEFAULT_COOKIE_NAME}_{port}_{data}")
    }

    /// The name of before, which is read last and only where clients come from elsewhere (contract §2).
    pub(crate) fn legacy_cookie_name(&self) -> Option<&'static str> {
        (self.facts.hashes_cookie_name && self.is_remote()).then_some(DEFAULT_COOKIE_NAME)
    }

    /// Whether it is bound to more than the loopback.
    pub(crate) fn is_remote(&self) -> bool {
        !self.addr.ip().is_loopback()
    }

    /// After a refused handshake of an authenticated client: its fiber leaks, and the stop never ends (contract §7).
    pub(crate) fn wedge(&self) {
        self.wedged.store(true, Ordering::Release);
    }

    /// Counts a session's open WebSockets, for the clients list.
    pub(crate) fn connect(&self, session_id: &str, sockets: isize) {
        let mut connected = self.connections();
        let count = connected.entry(session_id.to_owned()).or_default();
        *count = count.saturating_add_signed(sockets);
        drop(connected);
        if sockets >= 0 {
            self.store.note_connection(session_id);
        }
    }

    pub(crate) fn is_connected(&self, session_id: &str) -> bool {
        let connected = self.connections();
        connected.get(session_id).is_some_and(|&count| count > 0)
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first 12 hexadecimal digits of the SHA-256.
fn short_hash(bytes: &[u8]) -> String {
    let mut hash = HEXLOWER.encode(&Sha256::digest(bytes));
    hash.truncate(12);
    hash
}
