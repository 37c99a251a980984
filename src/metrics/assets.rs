//! What t3's static files tell: how many came from the store, and what compression saved.

use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;
use crate::metrics::family::{Counters, Maker};
use crate::metrics::labels::label;

label!(
    /// How a request for a static file was served.
    Asset, "outcome", {
        /// From the store, without t3.
        Hit = "hit",
        /// From t3.
        Miss = "miss",
        /// The browser had it already.
        NotModified = "not_modified",
    }
);

/// The metrics of static files.
#[derive(Debug)]
pub(super) struct Assets {
    served: Counters<Asset>,
    saved: IntCounter,
    stored: IntGauge,
}

impl Assets {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            served: make.counters(
                "asset_requests_total",
                "Requests for static files, t3's page included, by how they were served",
            ),
            saved: make.counter(
                "asset_saved_bytes_total",
                "Bytes of static files that clients were not sent: compressed, or there already",
            ),
            stored: make.gauge("asset_store_bytes", "Bytes of static files that are kept"),
        }
    }
}

impl Metrics {
    /// A request for a static file was served.
    pub fn asset(&self, outcome: Asset) {
        self.assets.served.of(outcome).inc();
    }

    /// So many bytes of a static file were not sent: the file's size less what was sent of it.
    pub fn asset_saved(&self, bytes: u64) {
        self.assets.saved.inc_by(bytes);
    }

    /// So many bytes of static files are kept now.
    pub fn asset_store(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.assets.stored.set(bytes);
    }
}
