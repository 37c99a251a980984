//! Connections to t3 that have nothing to do, kept for the next request.

#![expect(
    clippy::vec_box,
    reason = "a link is boxed where it is made; moving it in and out moves a pointer"
)]

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::link::Link;

/// How long a connection is kept with nothing to do. t3 advertises 5 s and closes at 6 (contract
/// §7); a request must not meet that end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How many connections are kept with nothing to do.
const MAX_IDLE: usize = 64;

/// Idle connections, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Box<Link>>>,
    filled: Notify,
}

impl Pool {
    /// The connection used last, if one is open and fresh enough.
    pub(super) async fn take(&self) -> Option<Box<Link>> {
        poll_fn(|cx| Poll::Ready(self.take_open(cx))).await
    }

    /// Keeps `link` if it is fit for another request; drops it if not.
    pub(super) fn put(&self, mut link: Box<Link>) {
        // Nobody waits for an idle connection: it is looked at again when it is taken.
        if !link.is_reusable(&mut Context::from_waker(Waker::noop())) {
            return;
        }
        link.idle_since = Instant::now();
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE {
            idle.push(link);
        }
        if idle.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Closes connections whose time is over, for ever; sleeps while there is none.
    pub(super) async fn close_idle(&self) {
        loop {
            let oldest = self.lock().first().map(|link| link.idle_since);
            match oldest {
                None => self.filled.notified().await,
                Some(since) => {
                    sleep_until(since + IDLE_TIMEOUT).await;
                    self.lock().retain(|link| !is_stale(link));
                }
            }
        }
    }

    fn take_open(&self, cx: &mut Context<'_>) -> Option<Box<Link>> {
        loop {
            let mut link = self.lock().pop()?;
            if !is_stale(&link) && link.is_reusable(cx) {
                return Some(link);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<Link>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_stale(link: &Link) -> bool {
    link.idle_since.elapsed() >= IDLE_TIMEOUT
}
