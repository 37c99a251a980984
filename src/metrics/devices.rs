//! The metrics of people's devices: t3's apps, which have sessions of their own.

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Maker, label};

label!(
    /// What became of a device.
    DeviceEvent, "event", {
        /// A code was made for one.
        Code = "code",
        /// It was given a session.
        Paired = "paired",
        /// It was given none: its code is unknown, spent or too old, or t3 refused it.
        Refused = "refused",
        /// Its session was revoked by the dispatcher.
        Revoked = "revoked",
    }
);

/// The metrics of people's devices.
#[derive(Debug)]
pub(super) struct DeviceMetrics {
    events: Counters<DeviceEvent>,
}

impl DeviceMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            events: make.counters(
                "devices_total",
                "Devices of people: codes made for one, and those that were paired, refused, or whose session was revoked here",
            ),
        }
    }
}

impl Metrics {
    /// Something became of a device.
    pub fn device(&self, event: DeviceEvent) {
        self.devices.events.of(event).inc();
    }
}
