//! Injected faults of a CLI run.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::print;
use crate::faults::{self, Faults};
use crate::journal;
use crate::store::Store;

/// The hidden command that only holds its stdout open.
pub(super) const GRANDCHILD: &str = "standin-grandchild";

/// Long enough to outlast any deadline under test, short enough to leave nothing behind.
const GRANDCHILD_SECONDS: u64 = 60;

/// t3's busy_timeout, where it sets one (contract §1).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a run looks whether the lock is free.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// Binds the port that t3 binds in passing; an error is a port that is taken, which t3 only wants to know.
pub(super) fn probe_port(faults: &Faults) -> Option<TcpListener> {
    let probes = faults.cli_probe_port > 0 && journal::probes_port();
    probes
        .then(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, faults.cli_probe_port)).ok())
        .flatten()
}

/// Takes the database's lock for this run if that fault is set. A run that finds it taken fails, or waits where a
/// busy_timeout is set (contract §1).
pub(super) fn lock(store: &Store, faults: &Faults) -> Result<Option<File>, Failure> {
    let base = store.base();
    let locked = || Failure::Run("SqlError: database is locked".to_owned());
    if faults::take_lock(base) {
        return Err(locked());
    }
    if !faults.cli_lock {
        return Ok(None);
    }
    let file = File::create(base.standin().join("cli.lock"))?;
    let waits = store.facts().cli_waits_for_database;
    let end = Instant::now() + BUSY_TIMEOUT;
    while file.try_lock().is_err() {
        if !waits || Instant::now() > end {
            return Err(locked());
        }
        thread::sleep(LOCK_INTERVAL);
    }
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
