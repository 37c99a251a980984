//! The CLI's output, byte for byte where the contract gives bytes.

use std::io::{self, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::clock;

/// Help on stdout for a usage error: 874 bytes (contract §1).
const HELP: &str = include_str!("help.txt");

/// Prints a text and one newline more, as t3's `Console.log` does with texts that already end in one.
pub(super) fn text(text: &str) {
    raw(text.as_bytes());
    raw(b"\n\n");
}

/// Pretty JSON with two spaces, then two newlines (contract §1).
pub(super) fn json(value: &impl Serialize) {
    text(&serde_json::to_string_pretty(value).expect("strings and numbers serialise"));
}

/// Writes to stdout. A closed pipe is not a failure.
pub(super) fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _reader_gone = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// The two log lines that come first on stdout without `--json` (contract §1).
pub(super) fn migrations() {
    let now = clock::time_of_day(clock::now_ms());
    raw(format!("[{now}] INFO (#18): Running all migrations...\n").as_bytes());
    raw(format!("[{now}] INFO (#18): Migrations ran successfully\n").as_bytes());
}

/// Reports why a run failed, and returns its exit status. Errors go to stdout, stderr stays empty (contract §1).
pub(super) fn failure(failure: &Failure) -> u8 {
    match failure {
        Failure::Run(reason) => raw(error_with_stack(reason).as_bytes()),
        Failure::Usage(reason) => {
            raw(HELP.as_bytes());
            eprintln!("\nERROR\n  {reason}");
        }
    }
    1
}

fn error_with_stack(reason: &str) -> String {
    let now = clock::time_of_day(clock::now_ms());
    format!(
        "[{now}] ERROR (#1): {reason}\n    at run (file:///t3/dist/bin.mjs:40771:24)\n    \
         at process.processTicksAndRejections (node:internal/process/task_queues:103:5)\n"
    )
}
