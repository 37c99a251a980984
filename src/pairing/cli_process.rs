//! One run of the t3 CLI as a child process, with bounded output and nothing left behind.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::config::cli_options::CliConfig;
use crate::metrics::pairing::CliOutcome;
use crate::pairing::secret::redacted;

/// The maximum that a run may print on either output. It prints about 400 bytes (contract §1).
const OUTPUT_LIMIT: usize = 64 * 1024;

/// The variables that a run gets of this process's environment, beside `T3CODE_*`: none that is the
/// dispatcher's own, as whoever can write the CLI's files can read what it gets.
const INHERITED: [&str; 6] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "NODE_COMPILE_CACHE",
    "NODE_EXTRA_CA_CERTS",
];

/// Why a run of the t3 CLI gave nothing.
#[derive(Debug, Error)]
pub enum CliError {
    /// Too many runs wait: its turn would not come in time, or did not.
    #[error("too many runs of the t3 CLI wait")]
    Busy,
    /// It cannot be started: its path, and why.
    #[error("the t3 CLI cannot be started: {0}")]
    Spawn(String),
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
            Self::Busy | Self::Failed(..) => CliOutcome::Failed,
            Self::OutputTooLong | Self::Output(_) | Self::Unusable => CliOutcome::Unusable,
        }
    }
}

/// Runs the CLI of the t3 that listens on `t3_port` with `args` and the base directory; returns its
/// standard output. Dropping the future kills it and all processes that it started.
pub(super) async fn run(
    config: &CliConfig,
    t3_port: u16,
    args: &[&str],
) -> Result<Vec<u8>, CliError> {
    let program = config.program();
    let mut command = Command::new(&program);
    command.args(args);
    if let Some(base_dir) = config.base_dir() {
        command.arg("--base-dir").arg(base_dir);
    }
    finish(command, &program, t3_port).await
}

/// The first line that `--version` prints. It needs no base directory.
pub(super) async fn version(config: &CliConfig, t3_port: u16) -> Result<String, CliError> {
    let program = config.program();
    let mut command = Command::new(&program);
    command.arg("--version");
    let printed = finish(command, &program, t3_port).await?;
    let first = String::from_utf8_lossy(&printed);
    let first = first.lines().next().unwrap_or_default().trim();
    match first.is_empty() {
        true => Err(CliError::Unusable),
        false => Ok(redacted(first)),
    }
}

async fn finish(mut command: Command, program: &Path, t3_port: u16) -> Result<Vec<u8>, CliError> {
    let inherited = std::env::vars_os().filter(|(name, _)| is_inherited(name));
    command.env_clear().envs(inherited);
    // Without it, each run looks for a free port and listens for a moment on the one that t3 may be about
    // to take (contract §1).
    command.env("T3CODE_PORT", t3_port.to_string());
    if let Some(path) = path_with(program) {
        command.env("PATH", path);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = command
        .spawn()
        .map_err(|error| spawn_error(program, &error))?;
    match ProcessGroup::of(child).finish().await {
        // The system gives what is no program for it to a shell.
        Err(CliError::Failed(..)) if is_of_another_processor(program) => {
            let error = io::Error::from(rustix::io::Errno::NOEXEC);
            Err(spawn_error(program, &error))
        }
        outcome => outcome,
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

/// A child and all processes that it started: dropping this kills them.
struct ProcessGroup {
    child: Child,
    group: Option<Pid>,
}

impl ProcessGroup {
    fn of(child: Child) -> Self {
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self { child, group }
    }

    async fn finish(mut self) -> Result<Vec<u8>, CliError> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let outputs = async { tokio::try_join!(read_bounded(stdout), read_bounded(stderr)) };
        let exit = async {
            let status = self.child.wait().await.map_err(CliError::Output)?;
            // Processes that it left running may hold its outputs open.
            kill_group(self.group.take());
            Ok(status)
        };
        let (status, (stdout, stderr)) = tokio::try_join!(exit, outputs)?;
        if status.success() {
            Ok(stdout)
        } else {
            Err(CliError::Failed(status, cause(&stdout, &stderr)))
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        kill_group(self.group.take());
    }
}

fn kill_group(group: Option<Pid>) {
    if let Some(group) = group {
        // It fails if the group has ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
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

fn is_inherited(name: &OsStr) -> bool {
    let is_t3_s = name.as_encoded_bytes().starts_with(b"T3CODE_");
    is_t3_s || INHERITED.iter().any(|inherited| name == *inherited)
}

/// The PATH of the child: the program's own directory first, as its interpreter may be there too.
fn path_with(program: &Path) -> Option<OsString> {
    let folder = program
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).ok()
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
