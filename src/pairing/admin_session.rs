//! The dispatcher's own administrative session on t3, in memory alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::{BEARER_TTL, Cli};

/// After which part of its life a session is renewed, by whoever pairs next.
const RENEW_AFTER: Duration = Duration::from_secs(BEARER_TTL.as_secs() / 4 * 3);

/// How long to do without after a failure: each attempt is a run of t3's command.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long one attempt may take, the wait for its turn included.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(25);

/// What t3's list of clients calls it.
const LABEL: &str = "t3-dispatcher";

type Issued = Option<Arc<Secret>>;
type Issuing = BoxFuture<'static, Issued>;

/// Holds the session, and gets another one when it must.
#[derive(Debug)]
pub(super) struct Bearer {
    cli: Arc<Cli>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<(Arc<Secret>, Instant)>,
    failed: Option<Instant>,
    issuing: Option<WeakShared<Issuing>>,
}

impl Held {
    fn is_due(&self) -> bool {
        let old = |(_, issued): &(Arc<Secret>, Instant)| issued.elapsed() >= RENEW_AFTER;
        self.token.as_ref().is_some_and(old) && self.issuing.is_none() && !self.failed_lately()
    }

    fn failed_lately(&self) -> bool {
        self.failed
            .is_some_and(|failed| failed.elapsed() < RETRY_AFTER)
    }
}

impl Bearer {
    /// Has none yet; `cli` issues it.
    pub(super) fn new(cli: Arc<Cli>) -> Self {
        Self {
            cli,
            held: Mutex::default(),
        }
    }

    /// The session's token, issued now if there is none. `None` where none is to be had.
    pub(super) async fn token(self: &Arc<Self>) -> Option<Arc<Secret>> {
        let issuing = {
            let mut held = self.held.lock();
            if let Some((token, issued)) = &held.token
                && issued.elapsed() < BEARER_TTL
            {
                return Some(Arc::clone(token));
            }
            if held.failed_lately() {
                return None;
            }
            self.join(&mut held)
        };
        issuing.await
    }

    /// Is it time for another one?
    pub(super) fn is_due(&self) -> bool {
        self.held.lock().is_due()
    }

    /// Gets another one, while the old one is still used.
    pub(super) async fn renew(self: Arc<Self>) {
        let issuing = self.join(&mut self.held.lock());
        let _ = issuing.await;
    }

    /// t3 refused `token`: it is of no more use.
    pub(super) fn refused(&self, token: &Arc<Secret>) {
        let mut held = self.held.lock();
        if matches!(&held.token, Some((current, _)) if Arc::ptr_eq(current, token)) {
            held.token = None;
        }
    }

    /// Joins the attempt under way, or starts one. Whoever waits drives it; if all have left, it
    /// ends, and its child with it.
    fn join(self: &Arc<Self>, held: &mut Held) -> Shared<Issuing> {
        if let Some(issuing) = held.issuing.as_ref().and_then(WeakShared::upgrade) {
            return issuing;
        }
        let issuing = Arc::clone(self).issue().boxed().shared();
        held.issuing = issuing.downgrade();
        issuing
    }

    async fn issue(self: Arc<Self>) -> Issued {
        let issued = self
            .cli
            .issue_session(LABEL, Instant::now() + ISSUE_TIMEOUT)
            .await;
        let mut held = self.held.lock();
        held.issuing = None;
        match issued {
            Ok(token) => {
                let token = Arc::new(token);
                held.token = Some((Arc::clone(&token), Instant::now()));
                held.failed = None;
                info!("has a session of its own to pair with");
                Some(token)
            }
            Err(error) => {
                held.failed = Some(Instant::now());
                warn!(%error, "no session of its own");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_is_due_after_three_quarters_of_its_life_and_not_right_after_a_failure() {
        let mut held = Held::default();
        assert!(!held.is_due(), "what is not there is issued, not renewed");
        let token = Arc::new(Secret::new("token").expect("a plausible one"));
        held.token = Some((token, Instant::now()));
        tokio::time::advance(Duration::from_secs(18 * 3600 - 1)).await;
        assert!(!held.is_due());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(held.is_due());
        held.failed = Some(Instant::now());
        assert!(!held.is_due());
        tokio::time::advance(RETRY_AFTER).await;
        assert!(held.is_due());
    }
}
