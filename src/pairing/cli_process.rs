//! One run of the t3 CLI as a child process, with bounded output and nothing left behind.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::config::cli_options::CliConfig;
use crate::metrics::pairing::CliOutcome;
use crate::pairing::cli_environment;
use crate::pairing::secret::redacted;
use crate::process::descriptors;
use crate::process::own_thread::on_own_thread;
use crate::process::process_group::ProcessGroup;

/// The maximum that a run may print on either output. It prints about 400 bytes (contract §1).
const OUTPUT_LIMIT: usize = 64 * 1024;

/// Why a run of the t3 CLI gave nothing.
#[derive(Debug, Error)]
pub enum CliError {
    /// Too many runs wait: its turn would not come in time, or did not.
    #[error("too many runs of the t3 CLI wait")]
    Busy,
    /// It cannot be started: its path, and why.
    #[error("the t3 CLI cannot be started: {0}")]
    Spawn(String),
    /// This process has no descriptor left for its output.
    #[error("the t3 CLI was not started, no descriptors left here: {0}")]
    NoDescriptors(io::Error),
    /// It did not end in time and was killed.
    #[error("the t3 CLI did not end in time")]
    Timeout,
    /// It printed more than `OUTPUT_LIMIT` and was killed.
    #[error("the t3 CLI printed over {} KiB", OUTPUT_LIMIT / 1024)]
    OutputTooLong,
    /// Its output could not be read.
    #[error("the t3 CLI's output cannot be read: {0}")]
    Output(io::Error),
    /// It exited with an error, which this line of its output describes.
    #[error("the t3 CLI failed ({0}): {1}")]
    Failed(ExitStatus, String),
    /// It succeeded, but did not print what was asked for.
    #[error("the t3 CLI printed nothing usable")]
    Unusable,
}

impl CliError {
    /// The outcome that it is counted under.
    pub(super) fn outcome(&self) -> CliOutcome {
        match self {
            Self::Spawn(_) => CliOutcome::Missing,
            Self::Timeout => CliOutcome::Timeout,
            Self::Busy | Self::NoDescriptors(_) | Self::Failed(..) => CliOutcome::Failed,
            Self::OutputTooLong | Self::Output(_) | Self::Unusable => CliOutcome::Unusable,
        }
    }
}

/// Starts the CLI of the t3 that listens on a port.
#[derive(Debug)]
pub(super) struct CliProgram {
    config: CliConfig,
    t3_port: u16,
    /// Held by the thread that looks for the program, starts it, or reads it: its files may be a
    /// network's, and hang.
    starting: Arc<Semaphore>,
}

impl CliProgram {
    /// The program that `config` names; t3 listens on `t3_port`.
    pub(super) fn new(config: CliConfig, t3_port: u16) -> Self {
        Self {
            config,
            t3_port,
            starting: Arc::new(Semaphore::new(1)),
        }
    }

    /// Runs it with `args` and the base directory; returns its standard output. Dropping the future kills
    /// it and all processes that it started.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Vec<u8>, CliError> {
        let args: Vec<_> = args.iter().copied().map(OsString::from).collect();
        let config = self.config.clone();
        self.finish(move |program| {
            let mut command = Command::new(program);
            command.args(args);
            if let Some(base_dir) = config.base_dir() {
                command.arg("--base-dir").arg(base_dir);
            }
            command
        })
        .await
    }

    /// The first line that `--version` prints. It needs no base directory.
    pub(super) async fn version(&self) -> Result<String, CliError> {
        let asked = self.finish(|program| {
            let mut command = Command::new(program);
            command.arg("--version");
            command
        });
        let printed = asked.await?;
        let first = String::from_utf8_lossy(&printed);
        let first = first.lines().next().unwrap_or_default().trim();
        match first.is_empty() {
            true => Err(CliError::Unusable),
            false => Ok(redacted(first)),
        }
    }

    /// The path of the program, and for people to read, of others that are there and are not started.
    pub(super) async fn places(&self) -> Result<(PathBuf, String), CliError> {
        self.on_own_thread(|config| (config.program(), config.others()))
            .await
    }

    /// Starts what `command` makes for the program's path, and waits for its end.
    async fn finish(
        &self,
        command: impl FnOnce(&Path) -> Command + Send + 'static,
    ) -> Result<Vec<u8>, CliError> {
        let t3_port = self.t3_port;
        let started = self.on_own_thread(move |config| {
            let program = config.program();
            let mut command = command(&program);
            cli_environment::set(&mut command, &program, t3_port);
            let group = ProcessGroup::start(&mut command);
            let group = group.map_err(|error| match descriptors::are_out(&error) {
                true => CliError::NoDescriptors(error),
                false => spawn_error(&program, &error),
            })?;
            Ok((group, program))
        });
        let (group, program) = started.await??;
        match finish(group).await {
            Err(failed @ CliError::Failed(..)) => Err(self.explained(failed, program).await),
            outcome => outcome,
        }
    }

    /// Why `program` has `failed`: the system gives what is no program for it to a shell.
    async fn explained(&self, failed: CliError, program: PathBuf) -> CliError {
        let unfit = self.on_own_thread(move |_| {
            let error = io::Error::from(rustix::io::Errno::NOEXEC);
            is_of_another_processor(&program).then(|| spawn_error(&program, &error))
        });
        unfit.await.ok().flatten().unwrap_or(failed)
    }

    /// Does `work`, in its turn, on a thread of its own. While that hangs, no other begins: whoever waits
    /// for one does so within a run's time.
    async fn on_own_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CliConfig) -> T + Send + 'static,
    ) -> Result<T, CliError> {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.starting).acquire_owned().await;
        let (turn, config) = (turn.map_err(|_| CliError::Busy)?, self.config.clone());
        let work = move || {
            let _turn = turn;
            work(&config)
        };
        let done = on_own_thread(work).await;
        done.map_err(|error| CliError::Spawn(error.to_string()))
    }
}

/// Why `program` cannot be started.
fn spawn_error(program: &Path, error: &io::Error) -> CliError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if program.is_relative() => ", and nowhere on PATH",
        io::ErrorKind::NotFound if program.exists() => {
            ": it is there, but not what is to run it (node, or the C library of its system)"
        }
        _ => "",
    };
    CliError::Spawn(format!("{}: {error}{hint}", program.display()))
}

/// Is it an ELF file for another kind of processor than that of this process?
fn is_of_another_processor(program: &Path) -> bool {
    let head = |path: &Path| {
        let mut head = [0; 20];
        std::fs::File::open(path)?.read_exact(&mut head)?;
        io::Result::Ok(head)
    };
    // elf(5): class and byte order at 4 and 5, the machine at 18.
    let kind = |head: [u8; 20]| (head[4], head[5], head[18], head[19]);
    match (head(program), head(Path::new("/proc/self/exe"))) {
        (Ok(other), Ok(own)) => other.starts_with(b"\x7fELF") && kind(other) != kind(own),
        _ => false,
    }
}

/// What a run printed, once it has ended; nothing that it started is left then.
async fn finish(mut group: ProcessGroup) -> Result<Vec<u8>, CliError> {
    let (stdout, stderr) = group.take_outputs();
    let outputs = async { tokio::try_join!(read_bounded(stdout), read_bounded(stderr)) };
    let exit = async {
        let status = group.wait().await.map_err(CliError::Output)?;
        // Processes that it left running may hold its outputs open.
        group.kill();
        Ok(status)
    };
    let (status, (stdout, stderr)) = tokio::try_join!(exit, outputs)?;
    if status.success() {
        Ok(stdout)
    } else {
        Err(CliError::Failed(status, cause(&stdout, &stderr)))
    }
}

async fn read_bounded(output: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    if let Some(output) = output {
        let limit = OUTPUT_LIMIT as u64 + 1;
        let mut output = output.take(limit);
        output
            .read_to_end(&mut bytes)
            .await
            .map_err(CliError::Output)?;
    }
    match bytes.len() > OUTPUT_LIMIT {
        true => Err(CliError::OutputTooLong),
        false => Ok(bytes),
    }
}

/// The line of output that names the cause. t3 prints it on standard output (contract §1).
fn cause(stdout: &[u8], stderr: &[u8]) -> String {
    let text = [stdout, stderr].map(String::from_utf8_lossy);
    let lines = || text.iter().flat_map(|text| text.lines());
    let line = lines()
        .find(|line| line.contains("database is locked"))
        .or_else(|| lines().find(|line| line.contains("ERROR")))
        .or_else(|| lines().find(|line| !line.trim().is_empty()));
    redacted(line.unwrap_or("no output").trim())
}
