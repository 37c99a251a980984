//! The metrics of pairing and of the runs of the t3 CLI.

use std::time::Duration;

use prometheus::IntCounter;

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Histograms, Maker, label};

/// From a mint by t3's API, a few milliseconds, to the longest that a person waits.
const PAIRING_SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0,
];

/// A run takes about 2 s and is killed after 15 (contract §1).
const RUN_SECONDS: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0];

label!(
    /// The way by which a browser got its session.
    Way, "way", {
        /// t3's API made the credential.
        Api = "api",
        /// The t3 CLI made it.
        Cli = "cli",
        /// The command of the configuration made it.
        Command = "command",
        /// A pairing of another tab of the same browser.
        Joined = "joined",
    }
);

label!(
    /// The endpoint at which t3 exchanged a credential (contract §8).
    ExchangeEndpoint, "endpoint", {
        /// `/api/auth/browser-session`.
        BrowserSession = "browser-session",
        /// `/api/auth/bootstrap`, of a t3 before v0.0.25.
        Bootstrap = "bootstrap",
    }
);

label!(
    /// Why a browser was not paired, though the policy allows it.
    PairingRefusal, "cause", {
        /// It was paired before and comes back without its session.
        Loop = "loop",
        /// Its last pairing has just failed.
        Pause = "pause",
        /// Its person has begun too many pairings in a minute.
        Rate = "rate",
    }
);

label!(
    /// Why a pairing failed.
    PairingFailure, "cause", {
        /// t3 did not respond.
        NoAnswer = "no_answer",
        /// There is no admin session for t3's API.
        NoSession = "no_session",
        /// t3's API refused to mint.
        ApiRefused = "api_refused",
        /// The response of t3's API has no credential.
        ApiUnusable = "api_unusable",
        /// What an administrator's or a guest's session may do is not known here, or cannot be set.
        NoScopes = "no_scopes",
        /// Too many pairings wait for the t3 CLI.
        CliBusy = "cli_busy",
        /// The t3 CLI cannot be started.
        CliMissing = "cli_missing",
        /// The t3 CLI did not end in time.
        CliTimeout = "cli_timeout",
        /// The t3 CLI failed.
        CliFailed = "cli_failed",
        /// The t3 CLI printed nothing usable.
        CliUnusable = "cli_unusable",
        /// The dispatcher has no descriptor left.
        Descriptors = "descriptors",
        /// t3 refused the exchange.
        ExchangeRefused = "exchange_refused",
        /// t3 accepted the exchange and set no cookie.
        NoCookie = "no_cookie",
        /// It took longer than a person waits.
        Late = "late",
    }
);

label!(
    /// The rights of a session that are not the standard.
    GivenRights, "rights", {
        /// All that the dispatcher's own session has.
        Administrator = "administrator",
        /// What the configuration names.
        Guest = "guest",
    }
);

label!(
    /// What the t3 CLI was run for. Only `check` revokes sessions, and nobody scrapes it.
    CliCommand, "command", {
        /// `t3 auth pairing create`.
        PairingCreate = "pairing_create",
        /// The command that mints in the t3 CLI's place.
        MintCommand = "mint_command",
        /// `t3 auth session issue`.
        SessionIssue = "session_issue",
    }
);

label!(
    /// The outcome of a run of the t3 CLI.
    CliOutcome, "outcome", {
        /// It printed what was asked for.
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

label!(
    /// By what it was noticed that a person is let in no more.
    AccessEnd, "cause", {
        /// The table of people leads elsewhere, or nowhere.
        Table = "table",
        /// The list of users in a file, with a WebSocket open.
        Users = "users",
        /// A request, of somebody whom no list of users or groups lets in.
        Request = "request",
    }
);

/// The metrics of pairing and of the t3 CLI.
#[derive(Debug)]
pub(super) struct PairingMetrics {
    paired: Counters<Way>,
    refused: Counters<PairingRefusal>,
    failed: Counters<PairingFailure>,
    rights: Counters<GivenRights>,
    took: Histograms<Way>,
    exchanges: Counters<ExchangeEndpoint>,
    admin_session_refused: IntCounter,
    offboarded: Counters<AccessEnd>,
    cli_runs: Counters<(CliCommand, CliOutcome)>,
    cli_took: Histograms<CliCommand>,
}

impl PairingMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            paired: make.counters(
                "pairings_total",
                "Browsers that were given a session, by where it came from",
            ),
            refused: make.counters(
                "pairings_refused_total",
                "Page loads and upgrades that were not paired to end a loop or a flood, by cause",
            ),
            failed: make.counters(
                "pairings_failed_total",
                "Pairings that failed, by cause; the page load was forwarded to t3",
            ),
            rights: make.counters(
                "rights_given_total",
                "Sessions with other rights than the standard, by whose they are",
            ),
            took: make.histograms(
                "pairing_duration_seconds",
                "From the request for a session to the session, by where it came from",
                &PAIRING_SECONDS,
            ),
            exchanges: make.counters(
                "exchanges_total",
                "Credentials that t3 exchanged for a session, by its endpoint",
            ),
            admin_session_refused: make.counter(
                "bearer_refused_total",
                "Times that t3 refused the dispatcher's own administrative session",
            ),
            offboarded: make.counters(
                "offboarded_total",
                "People who were let in no more and lost WebSockets or sessions, by how it was noticed",
            ),
            cli_runs: make.counters(
                "cli_runs_total",
                "Runs of the t3 CLI, by command and outcome",
            ),
            cli_took: make.histograms(
                "cli_run_duration_seconds",
                "How long runs of the t3 CLI took, repetitions included, by command",
                &RUN_SECONDS,
            ),
        }
    }
}

impl Metrics {
    /// A browser got a session, `took` after it asked for one.
    pub fn paired(&self, way: Way, took: Duration) {
        self.pairing.paired.of(way).inc();
        self.pairing.took.of(way).observe(took.as_secs_f64());
    }

    /// A browser was not paired, though the policy allows it.
    pub fn pairing_refused(&self, cause: PairingRefusal) {
        self.pairing.refused.of(cause).inc();
    }

    /// A pairing failed.
    pub fn pairing_failed(&self, cause: PairingFailure) {
        self.pairing.failed.of(cause).inc();
    }

    /// A session was made with other rights than the standard.
    pub fn given_rights(&self, rights: GivenRights) {
        self.pairing.rights.of(rights).inc();
    }

    /// t3 exchanged a credential.
    pub fn exchanged(&self, endpoint: ExchangeEndpoint) {
        self.pairing.exchanges.of(endpoint).inc();
    }

    /// t3 refused the admin session.
    pub fn admin_session_refused(&self) {
        self.pairing.admin_session_refused.inc();
    }

    /// A person who is let in no more has lost WebSockets or sessions.
    pub fn offboarded(&self, cause: AccessEnd) {
        self.pairing.offboarded.of(cause).inc();
    }

    /// A run of the t3 CLI found the database locked, and is repeated.
    pub fn cli_locked(&self, command: CliCommand) {
        let labels = (command, CliOutcome::Locked);
        self.pairing.cli_runs.of(labels).inc();
    }

    /// The t3 CLI ran for `took`, repetitions included.
    pub fn cli_run(&self, command: CliCommand, outcome: CliOutcome, took: Duration) {
        self.pairing.cli_runs.of((command, outcome)).inc();
        self.pairing
            .cli_took
            .of(command)
            .observe(took.as_secs_f64());
    }
}
