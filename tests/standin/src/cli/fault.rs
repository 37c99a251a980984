//! Injected faults of a CLI run.

use std::fs::File;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::print;
use crate::base::Base;
use crate::faults::{self, Faults};

/// The hidden command that only holds its stdout open.
pub(super) const GRANDCHILD: &str = "standin-grandchild";

/// Long enough to outlast any deadline under test, short enough to leave nothing behind.
const GRANDCHILD_SECONDS: u64 = 60;

/// Takes the database's lock for this run if that fault is set; a run that finds it taken fails, as no busy_timeout is
/// set (contract §1).
pub(super) fn lock(base: &Base, faults: &Faults) -> Result<Option<File>, Failure> {
    let locked = || Failure::Run("SqlError: database is locked".to_owned());
    if faults::take_lock(base) {
        return Err(locked());
    }
    if !faults.cli_lock {
        return Ok(None);
    }
    let file = File::create(base.standin().join("cli.lock"))?;
    file.try_lock().map_err(|_| locked())?;
    Ok(Some(file))
}

/// Applies the faults of any command; true if that ends the run.
pub(super) fn misbehave(faults: &Faults) -> Result<bool, Failure> {
    thread::sleep(Duration::from_millis(faults.cli_delay_ms));
    if faults.cli_spawn_grandchild {
        spawn_grandchild()?;
    }
    if faults.cli_hang {
        hang()?;
    }
    if faults.cli_fail {
        return Err(Failure::Run(
            "Error: the stand-in was told to fail".to_owned(),
        ));
    }
    if faults.cli_flood_bytes > 0 {
        flood(faults.cli_flood_bytes);
        return Ok(true);
    }
    if faults.cli_garbage {
        print::raw(b"{\"id\": not JSON at all\n");
    }
    Ok(faults.cli_garbage)
}

pub(super) fn be_grandchild() -> ExitCode {
    thread::sleep(Duration::from_secs(GRANDCHILD_SECONDS));
    ExitCode::SUCCESS
}

fn spawn_grandchild() -> Result<(), Failure> {
    let own = std::env::current_exe()?;
    Command::new(own)
        .arg(GRANDCHILD)
        .stdin(Stdio::null())
        .spawn()?;
    Ok(())
}

/// Waits for ever; a handler that is installed but not polled keeps SIGTERM from ending the process.
fn hang() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let _ignored = signal(SignalKind::terminate())?;
        std::future::pending::<Result<(), Failure>>().await
    })
}

fn flood(bytes: u64) {
    let block = [b'#'; 8192];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(block.len() as u64);
        print::raw(&block[..part as usize]);
        left -= part;
    }
}
