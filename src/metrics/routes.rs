//! The metrics of the table of people.

use prometheus::IntGauge;

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Maker, label};

label!(
    /// What became of a table of people that had changed.
    Reload, "outcome", {
        /// It is used.
        Ok = "ok",
        /// It cannot be used, and the last one that could stays.
        Failed = "failed",
    }
);

/// The metrics of the table of people.
#[derive(Debug)]
pub(super) struct RoutesMetrics {
    people: IntGauge,
    reloads: Counters<Reload>,
    is_stale: IntGauge,
}

impl RoutesMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            people: make.gauge("routes_people", "People in the table that is used"),
            reloads: make.counters(
                "routes_reloads_total",
                "Times that the table of people had changed, by what became of it",
            ),
            is_stale: make.gauge(
                "routes_stale",
                "1 while the table of people cannot be used as it is, and an earlier one is",
            ),
        }
    }
}

impl Metrics {
    /// A table of so many `people` is used.
    pub fn routes_loaded(&self, people: usize) {
        self.routes.people.set(people as i64);
        self.routes.is_stale.set(0);
        self.routes.reloads.of(Reload::Ok).inc();
    }

    /// The table cannot be used, and an earlier one is.
    pub fn routes_refused(&self) {
        self.routes.is_stale.set(1);
        self.routes.reloads.of(Reload::Failed).inc();
    }
}
