//! The t3 CLI: one run at a time, in a bounded queue, each with a deadline.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

use crate::config::options::PairingConfig;
use crate::metrics::Metrics;
use crate::metrics::pairing::{CliCommand, CliOutcome};
use crate::pairing::cli_error::CliError;
use crate::pairing::cli_process::{CliProgram, Run};
use crate::pairing::mint::MintOrder;
use crate::pairing::mint_command::MintCommand;
use crate::pairing::secret::Secret;
use crate::process::large_programs::{LargeProgram, LargePrograms};

/// The first pause before a run that found the database locked is repeated; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The maximum of runs that wait.
const MAX_WAITING: usize = 64;

/// The lifetime of a credential, in the CLI's syntax. It is spent at once.
const CREDENTIAL_TTL: &str = "5m";

/// The lifetime of the admin session.
pub(super) const ADMIN_SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the t3 CLI, or the command that mints in its place, and counts the runs.
#[derive(Debug)]
pub(super) struct T3Cli {
    program: CliProgram,
    mint: Option<MintCommand>,
    run_limit: Duration,
    metrics: Arc<Metrics>,
    /// A run takes most of the memory that a container has (contract §1).
    large_programs: LargePrograms,
    turn: Semaphore,
    waiting: AtomicUsize,
    /// The duration of the last run, in milliseconds.
    last_took: AtomicU64,
}

/// The right to run it: no other run is under way, and background work makes way.
struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _program: LargeProgram,
}

/// A run that waits for its turn: counted in the queue's length until it is dropped.
struct QueuedRun<'a>(&'a AtomicUsize);

impl T3Cli {
    /// Runs the program that `config` names, each time for at most `run_limit`, repetitions included.
    /// `t3_port` is the port of t3.
    pub(super) fn new(
        config: &PairingConfig,
        t3_port: u16,
        run_limit: Duration,
        metrics: Arc<Metrics>,
        large_programs: LargePrograms,
    ) -> Self {
        Self {
            program: CliProgram::new(config.cli.clone(), t3_port),
            mint: MintCommand::of(config),
            run_limit,
            metrics,
            large_programs,
            turn: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            last_took: AtomicU64::new(0),
        }
    }

    /// Mints a one-time credential as `order` says: `t3 auth pairing create` (contract §1), which has `--scope`
    /// only in protocol 2.
    ///
    /// # Errors
    /// [`CliError::Busy`], at once, if its turn would not come early enough to end by the order's deadline.
    pub(super) async fn create_pairing(&self, order: &MintOrder<'_>) -> Result<Secret, CliError> {
        let mut args = vec!["auth", "pairing", "create", "--ttl", CREDENTIAL_TTL];
        args.extend(order.label.iter().flat_map(|label| ["--label", label]));
        let scopes = order.grants.iter().flat_map(|grants| grants.names());
        args.extend(scopes.flat_map(|scope| ["--scope", scope]));
        args.push("--json");
        let run = Run::Cli(&args);
        self.secret_of(CliCommand::PairingCreate, run, "credential", order.deadline)
            .await
    }

    /// The program of the command that mints in the CLI's place, if there is one.
    pub(super) fn command_program(&self) -> Option<&str> {
        self.mint.as_ref().map(MintCommand::program)
    }

    /// Mints a one-time credential by that command, for the person whom single sign-on calls `user`. It
    /// prints what `t3 auth pairing create --json` does (contract §1).
    ///
    /// # Errors
    /// As [`Self::create_pairing`].
    pub(super) async fn run_mint_command(
        &self,
        user: &str,
        deadline: Instant,
    ) -> Result<Secret, CliError> {
        let words = self.mint.as_ref().map(|mint| mint.words(user));
        let words = words.transpose()?.unwrap_or_default();
        let run = Run::Command(&words);
        self.secret_of(CliCommand::MintCommand, run, "credential", deadline)
            .await
    }

    /// Revokes a session: `t3 auth session revoke` (contract §4). It succeeds if there is none.
    pub(super) async fn revoke_session(&self, id: &str, deadline: Instant) -> Result<(), CliError> {
        let args = ["auth", "session", "revoke", id];
        let _turn = self.take_turn(deadline).await?;
        let run = self.run_until_unlocked(None, Run::Cli(&args));
        let start = Instant::now();
        let revoked = timeout_at(deadline.min(start + self.run_limit), run).await;
        revoked.unwrap_or(Err(CliError::Timeout)).map(drop)
    }

    /// The CLI's version, as it prints it.
    pub(super) async fn version(&self) -> Result<String, CliError> {
        let _turn = self.take_turn(Instant::now() + self.run_limit).await?;
        let version = timeout(self.run_limit, self.program.version()).await;
        version.unwrap_or(Err(CliError::Timeout))
    }

    /// Logs which CLI is to run, and which others are there.
    pub(super) async fn log_place(&self) {
        let Ok((path, others)) = self.places().await else {
            return;
        };
        let path = path.display();
        match others.is_empty() {
            true => info!(%path, "the t3 CLI"),
            false => info!(%path, others, "the t3 CLI; T3_BIN chooses another"),
        }
    }

    /// Logs the version of the CLI that runs.
    pub(super) async fn log_version(&self) {
        let Ok((path, _)) = self.places().await else {
            return;
        };
        let path = path.display();
        match self.version().await {
            Ok(version) => info!(%path, version, "the t3 CLI's version"),
            Err(error) => warn!(%path, %error, "the t3 CLI does not say its version"),
        }
    }

    /// Where it is, and where others are.
    async fn places(&self) -> Result<(PathBuf, String), CliError> {
        let looked = timeout(self.run_limit, self.program.places()).await;
        looked.unwrap_or(Err(CliError::Timeout))
    }

    /// Issues an administrative session, and returns its token: `t3 auth session issue` (contract
    /// §4).
    pub(super) async fn issue_session(
        &self,
        label: &str,
        deadline: Instant,
    ) -> Result<Secret, CliError> {
        let ttl = format!("{}h", ADMIN_SESSION_TTL.as_secs() / 3600);
        let args = [
            "auth", "session", "issue", "--ttl", &ttl, "--label", label, "--json",
        ];
        let run = Run::Cli(&args);
        self.secret_of(CliCommand::SessionIssue, run, "token", deadline)
            .await
    }

    async fn secret_of(
        &self,
        command: CliCommand,
        run: Run<'_>,
        field: &str,
        deadline: Instant,
    ) -> Result<Secret, CliError> {
        let _turn = self.take_turn(deadline).await?;
        let start = Instant::now();
        let latest = deadline.min(start + self.run_limit);
        let printed = timeout_at(latest, self.run_until_unlocked(Some(command), run)).await;
        let took = start.elapsed();
        self.last_took
            .store(took.as_millis() as u64, Ordering::Relaxed);
        let printed = printed.unwrap_or(Err(CliError::Timeout));
        let secret = printed.and_then(|printed| secret_in(&printed, field));
        let outcome = secret
            .as_ref()
            .map_or_else(CliError::outcome, |_| CliOutcome::Ok);
        self.metrics.cli_run(command, outcome, took);
        secret
    }

    /// Waits for a turn, unless the queue is so long that it would come too late: a person who
    /// would wait in vain gets t3's own pairing screen at once.
    async fn take_turn(&self, deadline: Instant) -> Result<Turn<'_>, CliError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = QueuedRun(&self.waiting);
        let a_run = Duration::from_millis(self.last_took.load(Ordering::Relaxed));
        let ends = Instant::now() + a_run * (before as u32 + 1);
        if before >= MAX_WAITING || (before > 0 && ends > deadline) {
            return Err(CliError::Busy);
        }
        // None that waits for its own turn keeps those of other t3s waiting.
        let turns = async {
            Some(Turn {
                _turn: self.turn.acquire().await.ok()?,
                _program: self.large_programs.begin().await?,
            })
        };
        let turns = timeout_at(deadline, turns).await;
        turns.ok().flatten().ok_or(CliError::Busy)
    }

    /// Repeats a run that finds the database locked, and counts that for a `command` with a metric.
    async fn run_until_unlocked(
        &self,
        command: Option<CliCommand>,
        run: Run<'_>,
    ) -> Result<Vec<u8>, CliError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.program.run(run).await {
                Err(CliError::Failed(_, cause)) if cause.contains("database is locked") => {
                    if let Some(command) = command {
                        self.metrics.cli_locked(command);
                    }
                    sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
    }
}

fn secret_in(printed: &[u8], field: &str) -> Result<Secret, CliError> {
    let value: Value = serde_json::from_slice(printed).map_err(|_| CliError::Unusable)?;
    let secret = value[field].as_str().and_then(Secret::new);
    secret.ok_or(CliError::Unusable)
}

impl Drop for QueuedRun<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
