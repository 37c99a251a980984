//! The pool of idle connections to t3.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long a connection is kept idle. t3 advertises 5 s and closes at 6 (contract §7); a request must
/// not meet that end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How many connections are kept idle.
const MAX_IDLE: usize = 64;

/// The idle connections, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    filled: Notify,
}

/// A connection between two requests, without a parser's state.
#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
}

impl Pool {
    /// The connection used last that is open and fresh enough.
    pub(super) fn take(&self, now: Instant) -> Option<TcpStream> {
        loop {
            let idle = self.idle.lock().pop()?;
            if !idle.is_stale(now) && idle.is_quiet() {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps `stream`, on which a whole exchange has ended at `since`, for another request.
    pub(super) fn put(&self, stream: TcpStream, since: Instant) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { stream, since });
        }
        if idle.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Closes connections that were idle for too long, for ever; sleeps while there is none.
    pub(super) async fn close_idle(&self) {
        loop {
            let oldest = self.idle.lock().first().map(|idle| idle.since);
            match oldest {
                None => self.filled.notified().await,
                Some(since) => {
                    sleep_until(since + IDLE_TIMEOUT).await;
                    let now = Instant::now();
                    self.idle.lock().retain(|idle| !idle.is_stale(now));
                }
            }
        }
    }
}

impl Idle {
    fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= IDLE_TIMEOUT
    }

    /// Has t3 neither closed it nor sent anything on it?
    fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
