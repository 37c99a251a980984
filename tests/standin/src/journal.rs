//! The record of every CLI run: arguments, start, end and exit status.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::{self, Base};
use crate::clock;

/// A run that ended by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The arguments, without the program's name.
    pub args: Vec<String>,
    /// The process.
    pub pid: u32,
    /// Microseconds since 1970 when it began.
    pub started_us: u64,
    /// Microseconds since 1970 when it ended.
    pub ended_us: u64,
    /// Its exit status.
    pub rc: u8,
}

/// A run that began, whether or not it ever ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The arguments, without the program's name.
    pub args: Vec<String>,
    /// The process.
    pub pid: u32,
    /// Microseconds since 1970.
    pub started_us: u64,
    /// Its `PATH`, if it had one.
    pub path: Option<String>,
    /// Its `T3CODE_PORT`, if it had one.
    pub t3code_port: Option<String>,
    /// Whether a real t3 would have bound its default port in passing (contract §1).
    pub probes_port: bool,
    /// Whether its stdin was `/dev/null` (or closed, which looks the same from within).
    pub stdin_null: bool,
}

/// The runs that ended, in the order of their ends.
#[must_use]
pub fn runs(base_dir: &Path) -> Vec<Run> {
    lines(&Base::at(base_dir), RUNS)
}

/// The runs that began, in the order of their beginnings.
#[must_use]
pub fn starts(base_dir: &Path) -> Vec<Start> {
    lines(&Base::at(base_dir), STARTS)
}

/// The port that t3 is to have; a run that has it in its environment looks for no free one.
const PORT_VARIABLE: &str = "T3CODE_PORT";

/// Whether this process, being a run of the CLI, looks for a free port by binding one (contract §1).
pub(crate) fn probes_port() -> bool {
    let is_desktop = std::env::var("T3CODE_MODE").is_ok_and(|mode| mode == "desktop");
    let has_port = std::env::var(PORT_VARIABLE).is_ok_and(|port| port.parse::<u16>().is_ok());
    !is_desktop && !has_port
}

const RUNS: &str = "runs.jsonl";
const STARTS: &str = "starts.jsonl";

impl Start {
    /// Records the start of this process. A record that cannot be written does not fail the run.
    pub(crate) fn note(base: &Base, args: &[String]) -> Start {
        let start = Start {
            args: args.to_vec(),
            pid: std::process::id(),
            started_us: clock::now_us(),
            path: std::env::var("PATH").ok(),
            t3code_port: std::env::var(PORT_VARIABLE).ok(),
            probes_port: probes_port(),
            stdin_null: fs::read_link("/proc/self/fd/0")
                .is_ok_and(|stdin| stdin == Path::new("/dev/null")),
        };
        note(base, STARTS, &start);
        start
    }

    /// Records its end.
    pub(crate) fn end(self, base: &Base, rc: u8) {
        let Start {
            args,
            pid,
            started_us,
            ..
        } = self;
        let ended_us = clock::now_us();
        note(
            base,
            RUNS,
            &Run {
                args,
                pid,
                started_us,
                ended_us,
                rc,
            },
        );
    }
}

fn note(base: &Base, file: &str, entry: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(entry) {
        let _unwritable = fs::create_dir_all(base.standin())
            .and_then(|()| base::append_line(&base.standin().join(file), &line));
    }
}

fn lines<T: DeserializeOwned>(base: &Base, file: &str) -> Vec<T> {
    let text = fs::read_to_string(base.standin().join(file)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
