//! Is t3 there? Watched only while the answer is no, told to whoever waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::info;

use crate::http_rules::cookies;
use crate::metrics::Metrics;
use crate::metrics::upstream::UpstreamState;
use crate::upstream::client::Upstream;
use crate::upstream::health_probe::{PROBE_TIMEOUT, State, probe};

/// How soon after a probe the next one follows, whether or not it was answered.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// What is known of t3.
#[derive(Debug, Clone)]
pub struct Status {
    /// How it is doing.
    pub state: State,
    /// The name of its session cookie, as it advertises it (contract §3).
    pub cookie_name: Arc<str>,
    /// Counts how often it came up.
    pub incarnation: u64,
    /// What was last told of it: a doubt that comes to nothing is no change.
    told: Option<State>,
}

/// Knows whether t3 is there.
#[derive(Debug)]
pub struct Readiness {
    status: watch::Sender<Status>,
    metrics: Arc<Metrics>,
}

impl Readiness {
    /// Knows nothing yet; tells `metrics` what it learns.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let status = Status {
            state: State::Doubtful,
            cookie_name: cookies::DEFAULT_COOKIE_NAME.into(),
            incarnation: 0,
            told: None,
        };
        Self {
            status: watch::Sender::new(status),
            metrics,
        }
    }

    /// What is known right now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Is t3 up, with nothing that says otherwise?
    pub fn is_surely_up(&self) -> bool {
        self.status.borrow().state == State::Up
    }

    /// The name of t3's session cookie.
    pub fn cookie_name(&self) -> Arc<str> {
        Arc::clone(&self.status.borrow().cookie_name)
    }

    /// Something says that t3 may be gone: ask before the next request relies on it.
    pub fn doubt(&self) {
        self.status.send_if_modified(|status| {
            let was_up = status.state == State::Up;
            if was_up {
                status.state = State::Doubtful;
            }
            was_up
        });
    }

    /// t3 has set a session cookie called `name`.
    pub fn learn_cookie_name(&self, name: &str) {
        self.status.send_if_modified(|status| {
            let is_new = *status.cookie_name != *name;
            if is_new {
                info!(name, "session cookie's name learnt");
                status.cookie_name = name.into();
            }
            is_new
        });
    }

    /// Waits until t3 is up.
    pub async fn is_up(&self) {
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let _ = status.wait_for(|status| status.state == State::Up).await;
    }

    /// Waits until t3 is up and has come up since it was counted as `seen`; returns its count.
    pub async fn comes_up(&self, seen: u64) -> u64 {
        let is_new = |status: &Status| status.state == State::Up && status.incarnation != seen;
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let found = status.wait_for(is_new).await;
        found.map_or(seen, |status| status.incarnation)
    }

    /// Waits until t3 is up, at most until `deadline`; true if it is.
    pub async fn is_up_by(&self, deadline: Instant) -> bool {
        timeout_at(deadline, self.is_up()).await.is_ok()
    }

    /// Waits until t3 is known not to answer. What it was asked before is lost then.
    pub async fn is_gone(&self) {
        let mut status = self.status.subscribe();
        let gone = |status: &Status| matches!(status.state, State::Down | State::Starting);
        // The sender is here: it cannot be gone.
        let _ = status.wait_for(gone).await;
    }

    /// Waits out a doubt; true if t3 is up.
    pub async fn is_up_now(&self) -> bool {
        if self.is_surely_up() {
            return true;
        }
        let mut status = self.status.subscribe();
        let resolved = status.wait_for(|status| status.state != State::Doubtful);
        let resolved = timeout_at(Instant::now() + PROBE_TIMEOUT, resolved).await;
        matches!(resolved, Ok(Ok(status)) if status.state == State::Up)
    }

    /// Probes for ever, while t3 is not up.
    pub async fn watch(&self, upstream: &Upstream) {
        let mut status = self.status.subscribe();
        loop {
            let not_up = status.wait_for(|status| status.state != State::Up);
            if not_up.await.is_err() {
                return;
            }
            self.probe_until_up(upstream).await;
        }
    }

    /// Starts a probe every [`PROBE_INTERVAL`], so that one that is never answered delays nothing.
    async fn probe_until_up(&self, upstream: &Upstream) {
        let mut probes = FuturesUnordered::new();
        loop {
            probes.push(probe(upstream));
            let next = sleep(PROBE_INTERVAL);
            tokio::pin!(next);
            loop {
                tokio::select! {
                    Some(found) = probes.next() => match found {
                        Ok(advertised) => return self.came_up(advertised),
                        Err(state) => self.changed(state),
                    },
                    () = &mut next => break,
                }
            }
        }
    }

    fn came_up(&self, advertised: Option<String>) {
        self.status.send_modify(|status| {
            status.state = State::Up;
            status.incarnation += 1;
            if let Some(name) = advertised {
                status.cookie_name = name.into();
            }
            if self.tell(status) {
                info!(cookie = %status.cookie_name, "t3 is up");
            }
        });
    }

    fn changed(&self, state: State) {
        self.status.send_if_modified(|status| {
            let is_new = status.state != state;
            if is_new {
                status.state = state;
                if self.tell(status) {
                    info!("t3 is {state}");
                }
            }
            is_new
        });
    }

    /// Counts a change of t3's state; true where it is one.
    fn tell(&self, status: &mut Status) -> bool {
        let is_news = status.told != Some(status.state);
        if is_news {
            status.told = Some(status.state);
            self.metrics.upstream_is(match status.state {
                State::Down => UpstreamState::Down,
                State::Starting => UpstreamState::Starting,
                State::Up | State::Doubtful => UpstreamState::Up,
            });
        }
        is_news
    }
}
