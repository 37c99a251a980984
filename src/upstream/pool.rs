//! The pool of idle connections to t3.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::process::client_memory::ClientMemory;
use crate::upstream::health_state::Doubt;
use crate::upstream::socket::Socket;

/// How long a connection is kept idle. t3 advertises 5 s and closes at 6 (contract §7); a request must
/// not meet that end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How many connections are kept idle.
const MAX_IDLE: usize = 64;

/// How long t3 keeps a connection on which it has seen no request (contract §7). One that was blocked for
/// longer closes it before it reads what has come meanwhile.
const KEPT_BY_T3: Duration = Duration::from_secs(5);

/// For how long a response tells that t3 is still the one that gave it: it takes longer to be started
/// again (contract §7).
const HEARD_FOR: Duration = Duration::from_secs(1);

/// The idle connections.
#[derive(Debug, Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The one used last at the end.
    idle: Vec<Idle>,
    last: Last,
}

/// A connection between two requests.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) socket: Socket,
    pub(super) since: Instant,
}

/// What was last seen of t3.
#[derive(Debug, Default, Clone, Copy)]
enum Last {
    #[default]
    Nothing,
    /// A response.
    Response(Instant),
    /// It has closed an idle connection.
    Close,
}

/// What the connections tell about t3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// One is open, or was used a moment ago: it is still there.
    Open,
    /// t3 has closed what was open.
    Closed,
    /// There is none.
    None,
}

impl Pool {
    /// The connection used last that is open and fresh enough, and for whose window there is `memory`.
    pub(super) fn take(&self, now: Instant, memory: &Arc<ClientMemory>) -> Option<Idle> {
        let mut state = self.state.lock();
        loop {
            state.drop_closed(now);
            let mut idle = state.idle.pop()?;
            if idle.socket.window.resume(memory) {
                return Some(idle);
            }
        }
    }

    /// What the connections tell about t3, told once.
    pub(super) fn sign(&self, now: Instant) -> Sign {
        let mut state = self.state.lock();
        state.drop_closed(now);
        match state.last {
            _ if !state.idle.is_empty() => Sign::Open,
            Last::Response(at) if now.saturating_duration_since(at) < HEARD_FOR => Sign::Open,
            Last::Close => {
                state.last = Last::Nothing;
                Sign::Closed
            }
            _ => Sign::None,
        }
    }

    /// Keeps `socket`, on which a whole exchange has ended at `since`, for another request.
    pub(super) fn put(&self, mut socket: Socket, since: Instant) {
        socket.window.rest();
        let mut state = self.state.lock();
        state.last = Last::Response(since);
        if state.idle.len() < MAX_IDLE {
            state.idle.push(Idle { socket, since });
        }
        if state.idle.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// t3 has responded at `at`, on a connection that may not be kept.
    pub(super) fn heard(&self, at: Instant) {
        self.state.lock().last = Last::Response(at);
    }

    /// Closes connections that were idle for too long, for ever; sleeps while there is none.
    pub(super) async fn close_idle(&self) {
        loop {
            let oldest = self.state.lock().idle.first().map(|idle| idle.since);
            match oldest {
                None => self.filled.notified().await,
                Some(since) => {
                    sleep_until(since + IDLE_TIMEOUT).await;
                    let now = Instant::now();
                    self.state.lock().idle.retain(|idle| !idle.is_stale(now));
                }
            }
        }
    }
}

/// What it says of t3 that it closed a connection which was idle since `since`, with a request on it.
pub(super) fn doubt_of_close(since: Instant) -> Doubt {
    match since.elapsed() < KEPT_BY_T3 {
        true => Doubt::Closed,
        false => Doubt::Unseen,
    }
}

impl State {
    /// Drops what is no longer open or fresh from the end.
    fn drop_closed(&mut self, now: Instant) {
        while let Some(idle) = self.idle.last() {
            if !idle.is_stale(now) {
                if idle.is_quiet() {
                    return;
                }
                self.last = Last::Close;
            }
            self.idle.pop();
        }
    }
}

impl Idle {
    fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= IDLE_TIMEOUT
    }

    /// Has t3 neither closed it nor sent anything on it?
    fn is_quiet(&self) -> bool {
        let read = self.socket.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
