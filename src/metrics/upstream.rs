//! What t3 tells by being there or not.

use crate::metrics::Metrics;
use crate::metrics::family::{Counters, Gauges, Maker};
use crate::metrics::labels::{Labels, label};

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
