//! What t3's command tells: its runs, what came of them, how long they took.

use std::time::Duration;

use crate::metrics::Metrics;
use crate::metrics::family::{Counters, Histograms, Maker};
use crate::metrics::labels::label;

/// A run takes about 2 s and is ended after 15 (contract §1).
const RUN_SECONDS: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0];

label!(
    /// What t3's command was run for.
    CliCommand, "command", {
        /// `t3 auth pairing create`.
        PairingCreate = "pairing_create",
        /// `t3 auth session issue`.
        SessionIssue = "session_issue",
        /// `t3 auth session revoke`.
        SessionRevoke = "session_revoke",
    }
);

label!(
    /// What came of a run of t3's command.
    CliOutcome, "outcome", {
        /// What was asked for.
        Ok = "ok",
        /// It cannot be started.
        Missing = "missing",
        /// It did not end in time.
        Timeout = "timeout",
        /// The database was locked; such a run is repeated.
        Locked = "locked",
        /// It failed.
        Failed = "failed",
        /// It printed nothing usable.
        Unusable = "unusable",
    }
);

/// The metrics of t3's command.
#[derive(Debug)]
pub(super) struct Cli {
    runs: Counters<(CliCommand, CliOutcome)>,
    took: Histograms<CliCommand>,
}

impl Cli {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            runs: make.counters(
                "cli_runs_total",
                "Runs of t3's command, by what for and what came of them",
            ),
            took: make.seconds(
                "cli_run_duration_seconds",
                "How long t3's command took, its repetitions included, by what for",
                &RUN_SECONDS,
            ),
        }
    }
}

impl Metrics {
    /// t3's command found the database locked, and is repeated.
    pub fn cli_locked(&self, command: CliCommand) {
        self.cli.runs.of((command, CliOutcome::Locked)).inc();
    }

    /// t3's command ran for `took`, repetitions included.
    pub fn cli_run(&self, command: CliCommand, outcome: CliOutcome, took: Duration) {
        self.cli.runs.of((command, outcome)).inc();
        self.cli.took.of(command).observe(took.as_secs_f64());
    }
}
