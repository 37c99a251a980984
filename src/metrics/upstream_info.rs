//! The metric of what t3s say of themselves: how many have a version and a protocol.

use std::collections::HashMap;

use parking_lot::Mutex;
use prometheus::IntGaugeVec;

use crate::metrics::labels::Maker;

/// The maximum of series: t3s of one house have a few versions, and what they say is theirs.
const MAX_SERIES: usize = 32;

/// The version of what is beyond that, and the protocol where it is none of [`KNOWN`].
const OTHER: &str = "other";

/// The protocols that dispatchers know.
const KNOWN: [&str; 2] = ["1", "2"];

/// Both labels of the series that is there, at 0, while no t3 has been up.
const UNKNOWN: &str = "unknown";

/// How many t3s say that they have a version and speak a protocol.
#[derive(Debug)]
pub(super) struct UpstreamInfo {
    family: IntGaugeVec,
    counts: Mutex<HashMap<Description, i64>>,
}

/// What a t3 says of itself: a version and a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Description(Box<str>, Box<str>);

impl UpstreamInfo {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let info = Self {
            family: make.gauges_by_name(
                "upstream_info",
                "How many t3s say that they have a version and an orchestration protocol",
                &["version", "protocol"],
            ),
            counts: Mutex::default(),
        };
        info.family.with_label_values(&[UNKNOWN; 2]).set(0);
        info
    }

    /// A t3 that was counted as `before` says something else now; returns what it is counted as.
    pub(super) fn replace(
        &self,
        before: Option<Description>,
        version: &str,
        protocol: &str,
    ) -> Description {
        let mut counts = self.counts.lock();
        if let Some(before) = before {
            self.count(&mut counts, before, -1);
        }
        let mut description = Description(version.into(), protocol.into());
        if counts.len() >= MAX_SERIES && !counts.contains_key(&description) {
            let protocol = KNOWN.into_iter().find(|known| *known == protocol);
            description = Description(OTHER.into(), protocol.unwrap_or(OTHER).into());
        }
        self.count(&mut counts, description.clone(), 1);
        description
    }

    /// A t3 that was counted as `description` has ended.
    pub(super) fn remove(&self, description: Description) {
        self.count(&mut self.counts.lock(), description, -1);
    }

    fn count(&self, counts: &mut HashMap<Description, i64>, of: Description, difference: i64) {
        let was_empty = counts.is_empty();
        let count = counts.entry(of.clone()).or_default();
        *count += difference;
        let (Description(version, protocol), count) = (&of, *count);
        if count > 0 {
            self.family
                .with_label_values(&[version, protocol])
                .set(count);
        } else {
            counts.remove(&of);
            // It is there: it was counted.
            let _ = self.family.remove_label_values(&[version, protocol]);
        }
        match (was_empty, counts.is_empty()) {
            (true, false) => drop(self.family.remove_label_values(&[UNKNOWN; 2])),
            (false, true) => self.family.with_label_values(&[UNKNOWN; 2]).set(0),
            _ => {}
        }
    }
}
