//! The metrics of pairing and of the runs of t3's command.

use std::time::Duration;

use prometheus::IntCounter;

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Histograms, Maker, label};

/// From a mint by t3's API, a few milliseconds, to all the time that a person waits.
const PAIRING_SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0,
];

label!(
    /// By which way a browser got its session.
    Way, "way", {
        /// t3's API made the credential.
        Api = "api",
        /// t3's command made it.
        Cli = "cli",
        /// Another tab of the same browser was just being paired.
        Joined = "joined",
    }
);

label!(
    /// Where t3 exchanged a credential (contract §8).
    ExchangeEndpoint, "endpoint", {
        /// `/api/auth/browser-session`.
        BrowserSession = "browser-session",
        /// `/api/auth/bootstrap`, of a t3 before v0.0.25.
        Bootstrap = "bootstrap",
    }
);

label!(
    /// Why a browser was not paired although it might be.
    PairingRefusal, "cause", {
        /// It comes back without its session again and again.
        Loop = "loop",
        /// Its last pairing has just failed.
        Pause = "pause",
    }
);

label!(
    /// Why a pairing failed.
    PairingFailure, "cause", {
        /// t3 gave no answer.
        NoAnswer = "no_answer",
        /// The dispatcher has no session of its own to ask t3's API with.
        NoSession = "no_session",
        /// t3's API refused to mint.
        ApiRefused = "api_refused",
        /// t3's API answered something else.
        ApiUnusable = "api_unusable",
        /// Too many wait for t3's command.
        CliBusy = "cli_busy",
        /// t3's command cannot be started.
        CliMissing = "cli_missing",
        /// t3's command did not end in time.
        CliTimeout = "cli_timeout",
        /// t3's command failed.
        CliFailed = "cli_failed",
        /// t3's command printed nothing usable.
        CliUnusable = "cli_unusable",
        /// t3 refused the exchange.
        ExchangeRefused = "exchange_refused",
        /// t3 agreed to the exchange and set no cookie.
        NoCookie = "no_cookie",
        /// It took longer than anybody waits.
        Late = "late",
    }
);

/// The metrics of pairing.
#[derive(Debug)]
pub(super) struct Pairing {
    made: Counters<Way>,
    refused: Counters<PairingRefusal>,
    failed: Counters<PairingFailure>,
    took: Histograms<Way>,
    exchanges: Counters<ExchangeEndpoint>,
    bearer_refused: IntCounter,
}

impl Pairing {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            made: make.counters(
                "pairings_total",
                "Browsers that were given a session, by where it came from",
            ),
            refused: make.counters(
                "pairings_refused_total",
                "Page loads and upgrades that were not paired to end a loop, by cause",
            ),
            failed: make.counters(
                "pairings_failed_total",
                "Pairings that came to nothing, by cause; the page went to t3 as it was",
            ),
            took: make.seconds(
                "pairing_duration_seconds",
                "From the wish for a session to the session, by where it came from",
                &PAIRING_SECONDS,
            ),
            exchanges: make.counters(
                "exchanges_total",
                "Credentials that t3 exchanged for a session, by its endpoint",
            ),
            bearer_refused: make.counter(
                "bearer_refused_total",
                "Times that t3 refused the dispatcher's own administrative session",
            ),
        }
    }
}

impl Metrics {
    /// A browser got a session; `took` is from its wish to the session.
    pub fn paired(&self, way: Way, took: Duration) {
        self.pairing.made.of(way).inc();
        self.pairing.took.of(way).observe(took.as_secs_f64());
    }

    /// A browser was not to be paired now.
    pub fn pairing_refused(&self, cause: PairingRefusal) {
        self.pairing.refused.of(cause).inc();
    }

    /// A pairing came to nothing.
    pub fn pairing_failed(&self, cause: PairingFailure) {
        self.pairing.failed.of(cause).inc();
    }

    /// t3 exchanged a credential.
    pub fn exchanged(&self, endpoint: ExchangeEndpoint) {
        self.pairing.exchanges.of(endpoint).inc();
    }

    /// t3 refused the dispatcher's own session.
    pub fn bearer_refused(&self) {
        self.pairing.bearer_refused.inc();
    }
}

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
