//! Why a run of the t3 CLI, or of the command that mints in its place, gave nothing.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use crate::config::placeholders::Unfilled;
use crate::metrics::pairing::CliOutcome;
use crate::pairing::secret::redacted;

/// The maximum that a run may print on either output. It prints about 400 bytes (contract §1).
pub(super) const OUTPUT_LIMIT: usize = 64 * 1024;

/// Why a run gave nothing.
#[derive(Debug)]
pub enum CliError {
    /// Too many runs wait: its turn would not come in time, or did not.
    Busy,
    /// It cannot be started: its path, and why.
    Spawn(String),
    /// This process has no descriptor left for its output.
    NoDescriptors(io::Error),
    /// It did not end in time and was killed.
    Timeout,
    /// It printed more than `OUTPUT_LIMIT` and was killed.
    OutputTooLong,
    /// Its output could not be read.
    Output(io::Error),
    /// It exited with an error, which this line of its output describes.
    Failed(ExitStatus, String),
    /// It succeeded, but did not print what was asked for.
    Unusable,
    /// It was not run, as a name cannot stand in it.
    Unfilled(Unfilled),
}

impl CliError {
    /// What it says of a run of `program`.
    pub fn of(&self, program: &str) -> String {
        match self {
            Self::Busy => format!("too many runs of {program} wait"),
            Self::Spawn(why) => format!("{program} cannot be started: {why}"),
            Self::NoDescriptors(error) => {
                format!("{program} was not started, no descriptors left here: {error}")
            }
            Self::Timeout => format!("{program} did not end in time"),
            Self::OutputTooLong => format!("{program} printed over {} KiB", OUTPUT_LIMIT / 1024),
            Self::Output(error) => format!("{program}'s output cannot be read: {error}"),
            Self::Failed(status, line) => format!("{program} failed ({status}): {line}"),
            Self::Unusable => format!("{program} printed nothing usable"),
            Self::Unfilled(why) => format!("{program} is not run: {why}"),
        }
    }

    /// The outcome that it is counted under.
    pub(super) fn outcome(&self) -> CliOutcome {
        match self {
            Self::Spawn(_) => CliOutcome::Missing,
            Self::Timeout => CliOutcome::Timeout,
            Self::Busy | Self::NoDescriptors(_) | Self::Failed(..) | Self::Unfilled(_) => {
                CliOutcome::Failed
            }
            Self::OutputTooLong | Self::Output(_) | Self::Unusable => CliOutcome::Unusable,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.of("the t3 CLI"))
    }
}

impl std::error::Error for CliError {}

/// Why `program` cannot be started.
pub(super) fn spawn_error(program: &Path, error: &io::Error) -> CliError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if program.is_relative() => ", and nowhere on PATH",
        io::ErrorKind::NotFound if program.exists() => {
            ": it is there, but not what is to run it (node, or the C library of its system)"
        }
        _ => "",
    };
    CliError::Spawn(format!("{}: {error}{hint}", program.display()))
}

/// The line of output that names the cause. t3 prints it on standard output (contract §1).
pub(super) fn cause(stdout: &[u8], stderr: &[u8]) -> String {
    let text = [stdout, stderr].map(String::from_utf8_lossy);
    let lines = || text.iter().flat_map(|text| text.lines());
    let line = lines()
        .find(|line| line.contains("database is locked"))
        .or_else(|| lines().find(|line| line.contains("ERROR")))
        .or_else(|| lines().find(|line| !line.trim().is_empty()));
    redacted(line.unwrap_or("no output").trim())
}
