//! Whether t3 is up: probed while it is not, and signalled to the requests that wait.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::info;

use crate::http_rules::cookies;
use crate::metrics::Metrics;
use crate::metrics::upstream::UpstreamState;
use crate::upstream::Upstream;
use crate::upstream::descriptor::{Advertised, Descriptor, PROBE_TIMEOUT, Protocol, probe};
use crate::upstream::health_state::HealthState;

/// The time between the starts of two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// What is known about t3.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its state.
    pub state: HealthState,
    /// The name of its session cookie, as it advertises it (contract §3).
    pub cookie_name: Arc<str>,
    /// What it says of itself; nothing before it has first been up.
    pub descriptor: Option<Arc<Descriptor>>,
    /// How often it has come up.
    pub incarnation: u64,
    /// How often it has come up after it was away or left a connection without a response: what it was
    /// asked before is lost.
    restarts: u64,
    /// The state that was last reported: a doubt that is resolved at once is no change.
    reported: Option<HealthState>,
}

/// Knows whether t3 is up.
#[derive(Debug)]
pub struct Readiness {
    status: watch::Sender<Status>,
    metrics: Arc<Metrics>,
}

impl Readiness {
    /// Knows nothing yet; counts changes in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let status = Status {
            state: HealthState::Doubtful,
            cookie_name: cookies::DEFAULT_COOKIE_NAME.into(),
            descriptor: None,
            incarnation: 0,
            restarts: 0,
            reported: None,
        };
        Self {
            status: watch::Sender::new(status),
            metrics,
        }
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Is t3 up, without any doubt?
    pub fn is_surely_up(&self) -> bool {
        self.status.borrow().state == HealthState::Up
    }

    /// The name of t3's session cookie.
    pub fn cookie_name(&self) -> Arc<str> {
        Arc::clone(&self.status.borrow().cookie_name)
    }

    /// t3 may be gone: it is probed before the next request relies on it.
    pub fn doubt(&self) {
        self.status.send_if_modified(|status| {
            let was_up = status.state == HealthState::Up;
            if was_up {
                status.state = HealthState::Doubtful;
            }
            was_up
        });
    }

    /// t3 has set a session cookie called `name`.
    pub fn learn_cookie_name(&self, name: &str) {
        self.status.send_if_modified(|status| {
            let is_new = *status.cookie_name != *name;
            if is_new {
                info!(name, "session cookie name changed");
                status.cookie_name = name.into();
            }
            is_new
        });
    }

    /// The protocol of the t3 that was last up.
    pub fn protocol(&self) -> Option<Protocol> {
        let status = self.status.borrow();
        let descriptor = status.descriptor.as_ref()?;
        Some(descriptor.protocol.clone())
    }

    /// Waits until t3 is up.
    pub async fn wait_until_up(&self) {
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let _ = status
            .wait_for(|status| status.state == HealthState::Up)
            .await;
    }

    /// Waits until t3 is up and has come up since it was counted as `seen`; returns its count.
    pub async fn wait_until_up_again(&self, seen: u64) -> u64 {
        let is_new =
            |status: &Status| status.state == HealthState::Up && status.incarnation != seen;
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let found = status.wait_for(is_new).await;
        found.map_or(seen, |status| status.incarnation)
    }

    /// Waits until t3 is up, at most until `deadline`; true if it is.
    pub async fn wait_until_up_by(&self, deadline: Instant) -> bool {
        timeout_at(deadline, self.wait_until_up()).await.is_ok()
    }

    /// How often t3 has lost what it was asked.
    pub fn restarts(&self) -> u64 {
        self.status.borrow().restarts
    }

    /// Waits until requests that t3 got when [`Self::restarts`] was `seen` are lost: it is known not to
    /// respond, or has started again.
    pub async fn wait_until_gone(&self, seen: u64) {
        let mut status = self.status.subscribe();
        let gone = |status: &Status| status.restarts != seen || status.is_away();
        // The sender is here: it cannot be gone.
        let _ = status.wait_for(gone).await;
    }

    /// Waits until a doubt is resolved; true if t3 is up.
    pub async fn resolve_is_up(&self) -> bool {
        if self.is_surely_up() {
            return true;
        }
        let mut status = self.status.subscribe();
        let resolved = status.wait_for(|status| status.state != HealthState::Doubtful);
        let resolved = timeout_at(Instant::now() + PROBE_TIMEOUT, resolved).await;
        matches!(resolved, Ok(Ok(status)) if status.state == HealthState::Up)
    }

    /// Probes for ever, while t3 is not up.
    pub async fn watch(&self, upstream: &Upstream) {
        let mut status = self.status.subscribe();
        loop {
            let not_up = status.wait_for(|status| status.state != HealthState::Up);
            if not_up.await.is_err() {
                return;
            }
            self.probe_until_up(upstream).await;
        }
    }

    /// Starts a probe every [`PROBE_INTERVAL`], so that one that is never answered delays nothing.
    async fn probe_until_up(&self, upstream: &Upstream) {
        let mut probes = FuturesUnordered::new();
        let mut ended = 0;
        for number in 0_u64.. {
            probes.push(probe(upstream).map(move |found| (number, found)));
            let next = sleep(PROBE_INTERVAL);
            tokio::pin!(next);
            loop {
                tokio::select! {
                    Some((number, found)) = probes.next() => match found {
                        // An earlier probe has no response: t3 was starting meanwhile (contract §7).
                        Ok(advertised) => return self.came_up(advertised, ended < number),
                        Err(state) => {
                            ended += 1;
                            self.changed(state);
                        }
                    },
                    () = &mut next => break,
                }
            }
        }
    }

    fn came_up(&self, advertised: Advertised, was_silent: bool) {
        self.status.send_modify(|status| {
            status.restarts += u64::from(was_silent || status.is_away());
            status.state = HealthState::Up;
            status.incarnation += 1;
            if let Some(name) = advertised.cookie_name {
                status.cookie_name = name;
            }
            let found = advertised.descriptor;
            let is_another = status.descriptor.as_deref() != Some(&found);
            let found = Arc::new(found);
            status.descriptor = Some(Arc::clone(&found));
            if self.report(status) || is_another {
                found.announce(&status.cookie_name, &self.metrics);
            }
        });
    }

    fn changed(&self, state: HealthState) {
        self.status.send_if_modified(|status| {
            let is_new = status.state != state;
            if is_new {
                status.state = state;
                if self.report(status) {
                    info!("t3 is {state}");
                }
            }
            is_new
        });
    }

    /// Counts a change of t3's state; true where it is one.
    fn report(&self, status: &mut Status) -> bool {
        let is_change = status.reported != Some(status.state);
        if is_change {
            status.reported = Some(status.state);
            self.metrics.upstream_is(match status.state {
                HealthState::Down => UpstreamState::Down,
                HealthState::Starting => UpstreamState::Starting,
                HealthState::Up | HealthState::Doubtful => UpstreamState::Up,
            });
        }
        is_change
    }
}

impl Status {
    fn is_away(&self) -> bool {
        matches!(self.state, HealthState::Down | HealthState::Starting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertised(descriptor: &str) -> Advertised {
        Advertised {
            descriptor: Descriptor::read(descriptor.as_bytes()),
            cookie_name: None,
        }
    }

    #[test]
    fn what_a_start_has_lost_is_known_once_t3_answers() {
        let readiness = Readiness::new(Arc::default());
        readiness.came_up(advertised("{}"), false);
        let seen = readiness.restarts();
        let is_lost = || readiness.wait_until_gone(seen).now_or_never().is_some();
        readiness.doubt();
        assert!(!is_lost(), "it may be there");
        readiness.came_up(advertised("{}"), false);
        assert!(!is_lost(), "it was there");
        readiness.doubt();
        readiness.came_up(advertised("{}"), true);
        assert!(is_lost(), "it began to respond meanwhile");
        let seen = readiness.restarts();
        readiness.changed(HealthState::Down);
        readiness.came_up(advertised("{}"), false);
        assert_ne!(readiness.restarts(), seen, "it was away");
    }
}
