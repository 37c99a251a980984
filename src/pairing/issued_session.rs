//! The admin session as the t3 CLI issues it: when it is first needed, and anew before it ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::SetOnce;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::{ADMIN_SESSION_TTL, T3Cli};

/// Its age from which the next pairing renews it.
const RENEW_AFTER: Duration = Duration::from_secs(ADMIN_SESSION_TTL.as_secs() / 4 * 3);

/// The pause after a failed attempt: each attempt is a run of the t3 CLI.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long one attempt may take, including the wait for the CLI.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(25);

/// How much of the host's name its own name has: as much as Linux allows.
const HOST_CHARS: usize = 64;

type Issued = Option<Arc<Secret>>;
type Issuing = BoxFuture<'static, Issued>;

/// Issues the session when it is first needed, and holds its token.
#[derive(Debug)]
pub(super) struct IssuedSession {
    cli: Arc<T3Cli>,
    /// Its name in t3's list of clients.
    label: String,
    started: SystemTime,
    state: Mutex<IssuedSessionState>,
    /// Set when the first one has been issued.
    first: SetOnce<()>,
}

#[derive(Debug, Default)]
struct IssuedSessionState {
    /// The token, and when it was issued.
    token: Option<(Arc<Secret>, Instant)>,
    /// When the last attempt failed, if it did.
    failed: Option<Instant>,
    issuing: Option<WeakShared<Issuing>>,
}

impl IssuedSessionState {
    /// The token, unless its time is over.
    fn living(&self) -> Option<Arc<Secret>> {
        let (token, issued) = self.token.as_ref()?;
        (issued.elapsed() < ADMIN_SESSION_TTL).then(|| Arc::clone(token))
    }

    fn is_due(&self) -> bool {
        let old = |(_, issued): &(Arc<Secret>, Instant)| issued.elapsed() >= RENEW_AFTER;
        self.token.as_ref().is_some_and(old) && self.issuing.is_none() && !self.has_just_failed()
    }

    fn has_just_failed(&self) -> bool {
        self.failed
            .is_some_and(|failed| failed.elapsed() < RETRY_AFTER)
    }
}

impl IssuedSession {
    /// No session yet; `cli` will issue it, under the name `label`.
    pub(super) fn new(cli: Arc<T3Cli>, label: String) -> Self {
        Self {
            cli,
            label,
            started: SystemTime::now(),
            state: Mutex::default(),
            first: SetOnce::new(),
        }
    }

    /// Its name in t3's list of clients.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// When this was made: before it issued any.
    pub(super) fn started(&self) -> SystemTime {
        self.started
    }

    /// Waits until the first one has been issued.
    pub(super) async fn wait_until_issued(&self) {
        self.first.wait().await;
    }

    /// The session's token, if there is one.
    pub(super) fn present(&self) -> Option<Arc<Secret>> {
        self.state.lock().living()
    }

    /// The session's token, issued now if there is none. `None` if t3 issues none.
    pub(super) async fn token(self: &Arc<Self>) -> Option<Arc<Secret>> {
        let issuing = {
            let mut state = self.state.lock();
            if let Some(token) = state.living() {
                return Some(token);
            }
            if state.has_just_failed() {
                return None;
            }
            self.join(&mut state)
        };
        issuing.await
    }

    /// Is the session so old that it has to be renewed?
    pub(super) fn is_due(&self) -> bool {
        self.state.lock().is_due()
    }

    /// Issues another one, while the old one stays in use.
    pub(super) async fn renew(self: Arc<Self>) {
        let issuing = self.join(&mut self.state.lock());
        let _ = issuing.await;
    }

    /// Drops `token`, which t3 has refused.
    pub(super) fn discard(&self, token: &Arc<Secret>) {
        let mut state = self.state.lock();
        if matches!(&state.token, Some((current, _)) if Arc::ptr_eq(current, token)) {
            state.token = None;
        }
    }

    /// Joins the attempt under way, or starts one. It is driven by those that wait for it; when all
    /// of them have gone, it ends and its child is killed.
    fn join(self: &Arc<Self>, state: &mut IssuedSessionState) -> Shared<Issuing> {
        if let Some(issuing) = state.issuing.as_ref().and_then(WeakShared::upgrade) {
            return issuing;
        }
        let issuing = Arc::clone(self).issue().boxed().shared();
        state.issuing = issuing.downgrade();
        issuing
    }

    async fn issue(self: Arc<Self>) -> Issued {
        let issued = self
            .cli
            .issue_session(&self.label, Instant::now() + ISSUE_TIMEOUT)
            .await;
        let mut state = self.state.lock();
        state.issuing = None;
        match issued {
            Ok(token) => {
                let token = Arc::new(token);
                state.token = Some((Arc::clone(&token), Instant::now()));
                state.failed = None;
                // It fails if it is not the first.
                let _ = self.first.set(());
                info!("admin session issued");
                Some(token)
            }
            Err(error) => {
                state.failed = Some(Instant::now());
                warn!(%error, "no admin session issued");
                None
            }
        }
    }
}

/// Its name in t3's list of clients. Only one dispatcher at a time can have this name: two on one
/// machine listen on different ports.
pub(super) fn label(host_name: &str, port: u16) -> String {
    let host: String = host_name
        .chars()
        .take(HOST_CHARS)
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => character,
            _ => '_',
        })
        .collect();
    format!("t3-dispatcher {host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_is_printable_and_bounded() {
        assert_eq!(label("t3-afk-0.x", 8080), "t3-dispatcher t3-afk-0.x:8080");
        assert_eq!(label("a b\n\u{e9}", 1), "t3-dispatcher a_b__:1");
        assert_eq!(label(&"h".repeat(300), 1).len(), 14 + 64 + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_due_after_three_quarters_of_its_life_and_not_right_after_a_failure() {
        let mut state = IssuedSessionState::default();
        assert!(
            !state.is_due(),
            "a session that is not there is issued, not renewed"
        );
        let token = Arc::new(Secret::new("token").expect("a plausible one"));
        state.token = Some((token, Instant::now()));
        tokio::time::advance(Duration::from_secs(18 * 3600 - 1)).await;
        assert!(!state.is_due());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(state.is_due());
        state.failed = Some(Instant::now());
        assert!(!state.is_due());
        tokio::time::advance(RETRY_AFTER).await;
        assert!(state.is_due());
    }
}
