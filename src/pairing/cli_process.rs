//! One run of the t3 CLI, or of a command in its place, as a child process, with bounded output and nothing left behind.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::config::cli_options::CliConfig;
use crate::pairing::cli_environment;
use crate::pairing::cli_error::{CliError, OUTPUT_LIMIT, cause, spawn_error};
use crate::pairing::secret::redacted;
use crate::process::own_thread::on_own_thread;
use crate::process::process_group::ProcessGroup;
use crate::process::{descriptors, operator_command};

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'a> {
    /// The t3 CLI with these arguments and its base directory.
    Cli(&'a [&'a str]),
    /// The program that the first of these words names, with the others as its arguments.
    Command(&'a [String]),
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

    /// Makes a run of it; returns its standard output. Dropping the future kills it and all processes that
    /// it started.
    pub(super) async fn run(&self, run: Run<'_>) -> Result<Vec<u8>, CliError> {
        let t3_port = self.t3_port;
        match run {
            Run::Cli(args) => {
                let args: Vec<_> = args.iter().copied().map(OsString::from).collect();
                self.finish(move |config| {
                    let program = config.program();
                    let mut command = Command::new(&program);
                    command.args(args);
                    cli_environment::set(&mut command, &program, t3_port);
                    if let Some(base_dir) = config.base_dir() {
                        command.arg("--base-dir").arg(base_dir);
                        command.env_remove("T3CODE_HOME");
                    }
                    (command, program)
                })
                .await
            }
            Run::Command(words) => {
                let words = words.to_vec();
                self.finish(move |_| {
                    let program = words.first().map(PathBuf::from).unwrap_or_default();
                    (operator_command::command(&words), program)
                })
                .await
            }
        }
    }

    /// The first line that `--version` prints. It needs no base directory.
    pub(super) async fn version(&self) -> Result<String, CliError> {
        let t3_port = self.t3_port;
        let asked = self.finish(move |config| {
            let program = config.program();
            let mut command = Command::new(&program);
            command.arg("--version");
            cli_environment::set(&mut command, &program, t3_port);
            (command, program)
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

    /// Starts what `command` makes, a program of that path, and waits for its end.
    async fn finish(
        &self,
        command: impl FnOnce(&CliConfig) -> (Command, PathBuf) + Send + 'static,
    ) -> Result<Vec<u8>, CliError> {
        let started = self.on_own_thread(move |config| {
            let (mut command, program) = command(config);
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
