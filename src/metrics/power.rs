//! The metrics of the commands that start and stop t3s.

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Maker, label};

label!(
    /// What a command was run for.
    PowerCommand, "command", {
        /// To start a t3.
        Wake = "wake",
        /// To stop one.
        Sleep = "sleep",
    }
);

label!(
    /// The outcome of such a command.
    PowerOutcome, "outcome", {
        /// It succeeded.
        Ok = "ok",
        /// It exited with an error.
        Failed = "failed",
        /// It did not end in time.
        Timeout = "timeout",
        /// It cannot be started.
        Missing = "missing",
    }
);

/// The metrics of these commands.
#[derive(Debug)]
pub(super) struct PowerMetrics {
    commands: Counters<(PowerCommand, PowerOutcome)>,
}

impl PowerMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            commands: make.counters(
                "power_commands_total",
                "Commands that started or stopped a t3, by what they are for and by outcome",
            ),
        }
    }
}

impl Metrics {
    /// A command that starts or stops a t3 has ended.
    pub fn power_command(&self, command: PowerCommand, outcome: PowerOutcome) {
        self.power.commands.of((command, outcome)).inc();
    }
}
