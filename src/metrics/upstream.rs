//! The metrics of t3's state and of the tunnels to it.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge, IntGaugeVec};

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Gauges, Histograms, Labels, Maker, label};

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
        /// A side took nothing while clients held what may be held for them.
        Memory = "memory",
    }
);

/// The metrics of t3 and of tunnels.
#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    state: Gauges<UpstreamState>,
    state_changes: Counters<UpstreamState>,
    info: IntGaugeVec,
    open_tunnels: IntGauge,
    opened_tunnels: IntCounter,
    refused_upgrades: Counters<UpgradeRefusal>,
    tunnels_took: Histograms<TunnelEnd>,
}

impl UpstreamMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            state: make.gauges(
                "upstream_state",
                "t3's state: 1 for that state, 0 for the others, all 0 before the first probe",
            ),
            state_changes: make.counters(
                "upstream_state_changes_total",
                "Times that t3 came into a state",
            ),
            info: make.upstream_info(),
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

impl Metrics {
    /// t3 came into another state.
    pub fn upstream_is(&self, state: UpstreamState) {
        for other in UpstreamState::all() {
            let value = i64::from(other == state);
            self.upstream.state.of(other).set(value);
        }
        self.upstream.state_changes.of(state).inc();
    }

    /// t3 is up and says that it has this `version` and speaks this `protocol`: plain text of bounded
    /// length. There is one series at a time.
    pub fn upstream_describes(&self, version: &str, protocol: &str) {
        self.upstream.info.reset();
        let series = self.upstream.info.with_label_values(&[version, protocol]);
        series.set(1);
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
