//! Whether t3 is up, and what was lost meanwhile: told by probes, signalled to the requests that wait.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use crate::metrics::Metrics;
use crate::metrics::upstream::UpstreamTally;
use crate::upstream::demand::Demand;
use crate::upstream::descriptor::Protocol;
use crate::upstream::error::Failure;
use crate::upstream::health_state::{Doubt, HealthState};
use crate::upstream::health_status::Status;
use crate::upstream::probe::Advertised;

/// How long a request waits for a doubt to be resolved. A probe takes milliseconds; a t3 that does not
/// respond to it is found to be starting or busy after a second.
const DOUBT_LIMIT: Duration = Duration::from_millis(1500);

/// The error of a dispatcher that is its own upstream.
const ITSELF: &str = "T3_UPSTREAM_HOST and T3_UPSTREAM_PORT, or where a person is routed to, lead to this \
    dispatcher itself, by its own address or through a proxy: set them to where `t3 serve` listens";

/// Knows whether t3 is up.
#[derive(Debug)]
pub struct Readiness {
    status: watch::Sender<Status>,
    /// How it is counted. Locked only while a change is noted.
    tally: Mutex<UpstreamTally>,
    /// With many t3s, or one that a command can start.
    demand: Option<Demand>,
}

impl Readiness {
    /// Knows nothing yet; is counted in `metrics` until it is dropped.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            status: watch::Sender::new(Status::default()),
            tally: Mutex::new(UpstreamTally::new(metrics)),
            demand: None,
        }
    }

    /// The same for one that is probed only while somebody waits for it. One that `can_be_woken` is asleep
    /// when it is down and nobody waits.
    pub fn on_demand(metrics: Arc<Metrics>, can_be_woken: bool) -> Self {
        Self {
            demand: Some(Demand::new(can_be_woken)),
            ..Self::new(metrics)
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

    /// t3 may be gone: it is probed before the next request relies on it. One that is busy is probed
    /// already: only evidence changes what is known of it.
    pub fn doubt(&self, doubt: Doubt) {
        self.status.send_if_modified(|status| status.doubted(doubt));
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

    /// Waits until t3 is up and has come up since it was counted as `seen`; returns its count.
    pub async fn wait_until_up_again(&self, seen: u64) -> u64 {
        let is_new =
            |status: &Status| status.state == HealthState::Up && status.incarnation != seen;
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let found = status.wait_for(is_new).await;
        found.map_or(seen, |status| status.incarnation)
    }

    /// Waits until t3 responds, at most until `deadline`; true if it does.
    pub async fn wait_until_up_by(&self, deadline: Instant) -> bool {
        self.wait_for(deadline, |status| status.state == HealthState::Up)
            .await
            .is_some()
    }

    /// Waits until t3 responds or is away, for `time` at most, in which a busy one may become either; the
    /// state then.
    pub async fn settle(&self, time: Duration) -> HealthState {
        let deadline = Instant::now() + time.max(DOUBT_LIMIT);
        let is_settled =
            |status: &Status| !status.state.is_open() && status.state != HealthState::Busy;
        let settled = self.wait_for(deadline, is_settled).await;
        settled.unwrap_or(HealthState::Busy)
    }

    /// How often t3 has lost what it was asked.
    pub fn restarts(&self) -> u64 {
        self.status.borrow().restarts
    }

    /// Waits until requests that t3 got when [`Self::restarts`] was `seen` are lost: it is known not to
    /// respond, or has started again.
    pub async fn wait_until_gone(&self, seen: u64) {
        let gone = |status: &Status| status.restarts != seen || status.state.is_away();
        // The sender is here: it cannot be gone.
        let _ = self.status.subscribe().wait_for(gone).await;
    }

    /// How often t3 was silent on connections that it had accepted.
    pub fn silences(&self) -> u64 {
        self.status.borrow().silences
    }

    /// Waits until a request is lost that went out on a new connection when [`Self::silences`] was `seen`
    /// and has no response: t3 responds to later ones, and not to those of then.
    pub async fn wait_until_lost(&self, seen: u64) {
        let lost = |status: &Status| status.silences != seen;
        // The sender is here: it cannot be gone.
        let _ = self.status.subscribe().wait_for(lost).await;
    }

    /// Did a request fail by `failure` because t3 is away, or too busy for any response? One that took too
    /// long is probed.
    pub async fn explains(&self, failure: &Failure) -> bool {
        self.doubt(failure.doubt());
        if matches!(failure, Failure::ResponseTimeout) {
            self.resolve_is_up().await;
            return !self.is_surely_up();
        }
        failure.is_unsent()
    }

    /// Waits until a doubt is resolved; true if t3 is asked.
    pub async fn resolve_is_up(&self) -> bool {
        let deadline = Instant::now() + DOUBT_LIMIT;
        let resolved = self.wait_for(deadline, |status| !status.state.is_open());
        resolved.await.is_some_and(HealthState::is_asked)
    }

    /// Waits until `what` is true, at most until `deadline`; the state then.
    async fn wait_for(
        &self,
        deadline: Instant,
        what: impl Fn(&Status) -> bool,
    ) -> Option<HealthState> {
        {
            let status = self.status.borrow();
            // One that is asleep is looked at only where [`Self::want`] says so.
            let is_waited_for = !matches!(status.state, HealthState::Up | HealthState::Asleep);
            if let Some(demand) = self.demand.as_ref().filter(|_| is_waited_for) {
                demand.note();
            }
            if what(&status) {
                return Some(status.state);
            }
        }
        let mut status = self.status.subscribe();
        let found = timeout_at(deadline, status.wait_for(|status| what(status))).await;
        found.ok()?.ok().map(|status| status.state)
    }

    /// Somebody wants t3 who may have it started: one that is asleep is probed.
    pub fn want(&self) {
        let is_asleep = self.status.borrow().state == HealthState::Asleep;
        if let Some(demand) = self.demand.as_ref().filter(|_| is_asleep) {
            demand.note();
            self.changed(Status::was_wanted);
        }
    }

    /// t3 was stopped, as nobody used it: it is not probed before somebody wants it.
    pub fn put_to_sleep(&self) {
        if let Some(demand) = &self.demand {
            demand.forget();
        }
        self.changed(Status::was_put_to_sleep);
    }

    /// Waits until t3 is surely up, which is no reason to probe it.
    pub async fn wait_until_surely_up(&self) {
        let is_up = |status: &Status| status.state == HealthState::Up;
        // The sender is here: it cannot be gone.
        let _ = self.status.subscribe().wait_for(is_up).await;
    }

    /// Has nobody waited for t3 for a while?
    pub fn is_unwanted(&self) -> bool {
        self.demand.as_ref().is_some_and(Demand::is_over)
    }

    /// Waits until somebody waits for a t3 that was not probed meanwhile: what it is now is not known.
    pub(super) async fn rest(&self) {
        if let Some(demand) = &self.demand {
            self.changed(|status| status.was_left_alone(demand.can_be_woken));
            demand.again().await;
        }
    }

    /// Waits until t3 is to be probed.
    pub(super) async fn wait_until_doubtful(&self) {
        let mut status = self.status.subscribe();
        // The sender is here: it cannot be gone.
        let _ = status
            .wait_for(|status| status.state != HealthState::Up)
            .await;
    }

    /// Is there evidence that the t3 which was up has gone, or was none up yet?
    pub(super) fn is_suspect(&self) -> bool {
        self.status.borrow().is_suspect()
    }

    /// A probe has its response; `was_silent` if an earlier one that t3 has accepted has none.
    pub(super) fn came_up(&self, advertised: Advertised, was_silent: bool) {
        self.status.send_modify(|status| {
            let is_another = status.came_up(advertised, was_silent);
            if self.report(status) || is_another {
                match &status.descriptor {
                    Some(found) => found.announce(&status.cookie_name, &mut self.tally.lock()),
                    None => info!("the dispatcher behind this one is up"),
                }
            }
        });
    }

    /// A probe has found t3 to be away, as `state` says.
    pub(super) fn went_away(&self, state: HealthState) {
        self.changed(|status| status.went_away(state));
    }

    /// t3 could not be probed, for a cause of this process. True if it is up as far as is known.
    pub(super) fn was_not_asked(&self) -> bool {
        self.changed(Status::was_not_asked);
        self.is_surely_up()
    }

    /// t3 accepts probes and responds to none.
    pub(super) fn fell_silent(&self) {
        self.changed(Status::was_silent);
    }

    fn changed(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.state;
            change(status);
            if status.state != before && self.report(status) {
                match status.state {
                    HealthState::Unknown => {}
                    HealthState::Itself => error!("{ITSELF}"),
                    state => info!("t3 is {state}"),
                }
            }
            status.state != before
        });
    }

    /// Counts a change of t3's state; true where it is one: a doubt that is resolved at once is none.
    fn report(&self, status: &mut Status) -> bool {
        let is_change = status.reported != Some(status.state);
        if is_change {
            status.reported = Some(status.state);
            self.tally.lock().came_into(status.state.counted());
        }
        is_change
    }
}
