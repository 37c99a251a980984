//! The metrics of t3 and of the tunnels to it.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Gauges, Histograms, Labels, Maker, label};

label!(
    /// How t3 is doing.
    UpstreamState, "state", {
        /// Nobody listens.
        Down = "down",
        /// It accepts connections and does not answer.
        Starting = "starting",
        /// It answers.
        Up = "up",
    }
);

/// The metrics of t3.
#[derive(Debug)]
pub(super) struct Upstream {
    state: Gauges<UpstreamState>,
    changes: Counters<UpstreamState>,
}

impl Upstream {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            state: make.gauges(
                "upstream_state",
                "How t3 is doing: 1 for its state, 0 for the others, all 0 before the first probe",
            ),
            changes: make.counters(
                "upstream_state_changes_total",
                "Times that t3 came into a state",
            ),
        }
    }
}

impl Metrics {
    /// t3 has come into another state.
    pub fn upstream_is(&self, state: UpstreamState) {
        for one in UpstreamState::all() {
            let value = i64::from(one == state);
            self.upstream.state.of(one).set(value);
        }
        self.upstream.changes.of(state).inc();
    }
}

/// From a tab that was closed at once to one of a whole day.
const TUNNEL_SECONDS: [f64; 9] = [
    1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0,
];

label!(
    /// Who ended a tunnel.
    TunnelEnd, "cause", {
        /// Somebody said so by a WebSocket's own close.
        Graceful = "graceful",
        /// The client was gone.
        DownstreamClosed = "downstream_closed",
        /// t3 was gone.
        UpstreamClosed = "upstream_closed",
        /// The dispatcher's drain.
        Drained = "drained",
        /// Its session had died.
        SessionEnded = "session_ended",
    }
);

/// The metrics of tunnels.
#[derive(Debug)]
pub(super) struct Tunnels {
    open: IntGauge,
    opened: IntCounter,
    took: Histograms<TunnelEnd>,
}

impl Tunnels {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            open: make.gauge("open_tunnels", "WebSockets to t3 that are open"),
            opened: make.counter("tunnels_opened_total", "WebSockets to t3 that were opened"),
            took: make.seconds(
                "tunnel_duration_seconds",
                "How long a WebSocket to t3 was open, by who ended it",
                &TUNNEL_SECONDS,
            ),
        }
    }
}

impl Metrics {
    /// A tunnel begins.
    pub fn tunnel_opened(&self) {
        self.tunnels.open.inc();
        self.tunnels.opened.inc();
    }

    /// A tunnel has ended after `took`.
    pub fn tunnel_ended(&self, cause: TunnelEnd, took: Duration) {
        self.tunnels.open.dec();
        self.tunnels.took.of(cause).observe(took.as_secs_f64());
    }
}
