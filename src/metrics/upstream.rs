//! The metrics of t3's state and of the tunnels to it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Gauges, Histograms, Maker, label};
use crate::metrics::upstream_info::{Description, UpstreamInfo};

/// From a tab that was closed at once to a tab that was open for a day.
const TUNNEL_SECONDS: [f64; 9] = [
    1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0,
];

label!(
    /// The state of t3.
    UpstreamState, "state", {
        /// Nobody listens.
        Down = "down",
        /// It accepts connections and does not respond.
        Starting = "starting",
        /// It responds.
        Up = "up",
        /// It was up, does not respond, and has closed nothing.
        Busy = "busy",
        /// It is down, nobody waits for it, and a command can start it: it is not watched.
        Asleep = "asleep",
    }
);

label!(
    /// Why t3 refused a WebSocket.
    UpgradeRefusal, "cause", {
        /// 426: it speaks another orchestration protocol than the page that asked.
        Protocol = "protocol",
        /// 401: without a session, or with a dead one.
        Session = "session",
        /// Another status.
        Other = "other",
    }
);

label!(
    /// How a tunnel ended.
    TunnelEnd, "cause", {
        /// The side that ended it had sent a WebSocket close.
        Graceful = "graceful",
        /// The client left without a close, or was lost.
        DownstreamClosed = "downstream_closed",
        /// t3 left without a close, or was lost.
        UpstreamClosed = "upstream_closed",
        /// The dispatcher drained.
        Drained = "drained",
        /// The session that it was opened with has died.
        SessionEnded = "session_ended",
        /// Its person may not use this t3 any more.
        AccessEnded = "access_ended",
        /// A side took nothing while clients held what may be held for them.
        Memory = "memory",
    }
);

/// One t3 in the gauges that count all: its state, and what it says of itself. It is taken off them when this
/// is dropped.
#[derive(Debug)]
pub struct UpstreamTally {
    metrics: Arc<Metrics>,
    state: Option<UpstreamState>,
    description: Option<Description>,
}

/// The metrics of t3 and of tunnels.
#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    instances: IntGauge,
    instances_in_use: IntGauge,
    state: Gauges<UpstreamState>,
    state_changes: Counters<UpstreamState>,
    info: UpstreamInfo,
    open_tunnels: IntGauge,
    opened_tunnels: IntCounter,
    refused_upgrades: Counters<UpgradeRefusal>,
    tunnels_took: Histograms<TunnelEnd>,
}

impl UpstreamMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            instances: make.gauge("instances", "The t3s that this process knows"),
            instances_in_use: make.gauge(
                "instances_in_use",
                "The t3s with a request or a WebSocket of a client under way",
            ),
            state: make.gauges(
                "upstream_state",
                "How many t3s are in a state; one that is not probed, or has not been yet, is in none",
            ),
            state_changes: make.counters(
                "upstream_state_changes_total",
                "Times that t3 came into a state",
            ),
            info: UpstreamInfo::new(make),
            open_tunnels: make.gauge("open_tunnels", "WebSockets to t3 that are open"),
            opened_tunnels: make
                .counter("tunnels_opened_total", "WebSockets to t3 that were opened"),
            refused_upgrades: make.counters(
                "upgrades_refused_total",
                "WebSockets that t3 refused, by cause; those without a living session may be healed",
            ),
            tunnels_took: make.histograms(
                "tunnel_duration_seconds",
                "How long a WebSocket to t3 was open, by how it ended",
                &TUNNEL_SECONDS,
            ),
        }
    }
}

impl UpstreamTally {
    /// One more t3, of which nothing is known yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        metrics.upstream.instances.inc();
        Self {
            metrics,
            state: None,
            description: None,
        }
    }

    /// It came into another state, or into none that is known.
    pub fn came_into(&mut self, state: Option<UpstreamState>) {
        let upstream = &self.metrics.upstream;
        if let Some(before) = std::mem::replace(&mut self.state, state) {
            upstream.state.of(before).dec();
        }
        if let Some(state) = state {
            upstream.state.of(state).inc();
            upstream.state_changes.of(state).inc();
        }
    }

    /// It is up and says that it has this `version` and speaks this `protocol`: plain text of bounded
    /// length.
    pub fn describes(&mut self, version: &str, protocol: &str) {
        let (info, before) = (&self.metrics.upstream.info, self.description.take());
        self.description = Some(info.replace(before, version, protocol));
    }
}

impl Drop for UpstreamTally {
    fn drop(&mut self) {
        self.came_into(None);
        let upstream = &self.metrics.upstream;
        upstream.instances.dec();
        if let Some(description) = self.description.take() {
            upstream.info.remove(description);
        }
    }
}

impl Metrics {
    /// So many t3s are in use now.
    pub fn instances_in_use(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.upstream.instances_in_use.set(count);
    }

    /// A tunnel was opened.
    pub fn tunnel_opened(&self) {
        self.upstream.open_tunnels.inc();
        self.upstream.opened_tunnels.inc();
    }

    /// t3 refused a WebSocket.
    pub fn upgrade_refused(&self, cause: UpgradeRefusal) {
        self.upstream.refused_upgrades.of(cause).inc();
    }

    /// A tunnel ended after `took`.
    pub fn tunnel_ended(&self, cause: TunnelEnd, took: Duration) {
        self.upstream.open_tunnels.dec();
        let tunnels = self.upstream.tunnels_took.of(cause);
        tunnels.observe(took.as_secs_f64());
    }
}
