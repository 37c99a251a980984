//! Files that hang, as on a network's volume, hold up nobody who does not need them: row 65.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use t3_standin::server::Standin;
use tempfile::TempDir;

use crate::common::http::Response;
use crate::common::process::{Process, is_release, standin_and_command};
use crate::common::{Client, PAGE, cli_in, request, skip};
use crate::harness::{ADA, until};

/// How long a file hangs.
const HANGS: Duration = Duration::from_secs(6);

/// How long others may take meanwhile. The figure is that of the release build; the other bound only
/// tells a wait for the file from a busy machine.
fn at_once() -> Duration {
    Duration::from_millis(if is_release() { 100 } else { 1000 })
}

/// Holds a lease on each of its arguments, until its input ends: whoever opens or executes one waits
/// (fcntl(2), F_SETLEASE). The signal that tells of it is one that is ignored.
const HOLD: &str = "
import fcntl, signal, sys, time
files = [open(path) for path in sys.argv[1:]]
for file in files:
    fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGWINCH)
    for _ in range(500):
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            break
        except BlockingIOError:
            time.sleep(0.01)
    else:
        sys.exit('it is open elsewhere')
print('held', flush=True)
sys.stdin.read()
for file in files:
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
";

/// Files that hang until this is dropped.
struct Hanging(Child);

impl Hanging {
    /// None where the system has no leases.
    fn hold(paths: &[&Path]) -> Option<Self> {
        let mut python = Command::new("python3");
        python.args(["-c", HOLD]).args(paths);
        let held = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut held = Self(held.ok()?);
        let mut line = String::new();
        let stdout = held.0.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).ok()?;
        (line == "held\n").then_some(held)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A stand-in, and the command of a dispatcher that reads its identity header.
async fn world(fast_path: &str) -> (TempDir, Standin, Command) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    command
        .env("DISPATCHER_FAST_PATH", fast_path)
        .env("DISPATCHER_IDENTITY_HEADER", "X-authentik-username");
    (dir, standin, command)
}

fn written(dir: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("a writable directory");
    path
}

/// A t3 CLI in a file of its own.
fn cli(dir: &TempDir) -> PathBuf {
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", cli_in(dir.path()).display());
    let path = written(dir, "cli", &script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its owner");
    path
}

/// Asserts, for as long as a file hangs, that who does not need it is served at once.
async fn assert_served(process: &Process, fields: &str) {
    let start = Instant::now();
    let fetch = format!("GET /standin/1k\nSec-Fetch-Dest: empty\n{fields}");
    while start.elapsed() < HANGS {
        for head in [
            "GET /healthz",
            "GET /standin/1k\nSec-Fetch-Dest: empty",
            &fetch,
        ] {
            let asked = Instant::now();
            let response = request(process.addr, head.trim_end()).await;
            let took = asked.elapsed();
            assert_eq!(response.status, 200, "{head}");
            assert!(took < at_once(), "{took:?} for {head}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Begins a page load of a person without a session.
async fn begin_load(process: &Process, fields: &str) -> Client {
    let mut client = Client::connect(process.addr).await;
    client.send_head(&format!("GET /\n{fields}{PAGE}")).await;
    client
}

fn assert_paired(response: &Response) {
    assert_eq!(response.status, 302, "{}", response.text());
}

/// The start of the CLI hangs: its execve, and before that whoever looks at its file.
async fn a_cli_that_hangs(fast_path: &str) -> Option<()> {
    let (dir, _standin, mut command) = world(fast_path).await;
    let cli = cli(&dir);
    command.env("T3_BIN", &cli).env("DISPATCHER_MINT", "cli");
    let process = Process::start(&mut command);
    let first = begin_load(&process, "X-authentik-username: eve\n")
        .await
        .response(false)
        .await;
    assert_paired(&first);
    let hanging = Hanging::hold(&[&cli])?;
    let mut waiting = begin_load(&process, ADA).await;
    assert_served(&process, ADA).await;
    let answered = waiting.stream.try_read(&mut [0]);
    assert!(answered.is_err(), "it hangs");
    drop(hanging);
    assert_paired(&waiting.response(false).await);
    Some(())
}

/// The lists that people are judged by hang: they count as they were last.
async fn lists_that_hang(fast_path: &str) -> Option<()> {
    let (dir, _standin, mut command) = world(fast_path).await;
    let secret = written(&dir, "secret", "s3cret");
    let users = written(&dir, "users", "ada\n");
    command
        .env("DISPATCHER_SECRET_FILE", &secret)
        .env("DISPATCHER_ALLOWED_USERS_FILE", &users);
    let process = Process::start(&mut command);
    let fields = format!("{ADA}X-Dispatcher-Secret: s3cret");
    let fetch = format!("GET /standin/1k\nSec-Fetch-Dest: empty\n{fields}");
    assert_eq!(request(process.addr, &fetch).await.status, 200);
    std::fs::write(&users, "eve\n").expect("writable");
    let hanging = Hanging::hold(&[&secret, &users])?;
    // It may have been read between these two.
    if request(process.addr, &fetch).await.status == 200 {
        assert_served(&process, &fields).await;
    }
    drop(hanging);
    let addr = process.addr;
    let denied = async { while request(addr, &fetch).await.status != 403 {} };
    let denied = tokio::time::timeout(HANGS, denied).await;
    denied.expect("what has changed counts once it can be read");
    Some(())
}

/// The token's file hangs before it was first read: who needs it waits.
async fn a_token_file_that_hangs(fast_path: &str) -> Option<()> {
    let (dir, standin, mut command) = world(fast_path).await;
    let token = standin
        .issue_administrative_session("sidecar")
        .expect("it writes");
    let token = written(&dir, "token", &token);
    let hanging = Hanging::hold(&[&token])?;
    let process = Process::start(command.env("DISPATCHER_TOKEN_FILE", &token));
    let up = until(|| {
        standin
            .requests()
            .iter()
            .any(|seen| seen.target.starts_with(b"/.well-known"))
    });
    assert!(up.await);
    let mut waiting = begin_load(&process, ADA).await;
    assert_served(&process, ADA).await;
    drop(hanging);
    assert_paired(&waiting.response(false).await);
    Some(())
}

/// Runs `of` for each of the ways through, both at once.
macro_rules! on_both_ways {
    ($of:ident) => {{
        let (on, off) = tokio::join!($of("on"), $of("off"));
        if on.and(off).is_none() {
            skip("no leases on files here, or no python3");
        }
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn row_65_a_cli_whose_start_hangs_holds_nobody_else_up() {
    on_both_ways!(a_cli_that_hangs);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_65_lists_and_secrets_whose_files_hang_count_as_they_were() {
    on_both_ways!(lists_that_hang);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_65_a_token_whose_file_hangs_is_waited_for_by_who_needs_it() {
    on_both_ways!(a_token_file_that_hangs);
}

/// SIGTERM while the CLI's start hangs: the end waits for no file.
#[tokio::test(flavor = "multi_thread")]
async fn row_65_a_file_that_hangs_does_not_hold_up_the_end() {
    let (dir, _standin, mut command) = world("on").await;
    let cli = cli(&dir);
    command
        .env("T3_BIN", &cli)
        .env("DISPATCHER_MINT", "cli")
        .env("DISPATCHER_DRAIN_TIMEOUT", "500ms");
    let process = Process::start(&mut command);
    assert_paired(
        &begin_load(&process, "X-authentik-username: eve\n")
            .await
            .response(false)
            .await,
    );
    let Some(hanging) = Hanging::hold(&[&cli]) else {
        return skip("no leases on files here, or no python3");
    };
    let waiting = begin_load(&process, ADA).await;
    let served = request(process.addr, "GET /healthz").await;
    assert_eq!(served.status, 200);
    let start = Instant::now();
    process.signal(rustix::process::Signal::TERM);
    let ended = tokio::task::spawn_blocking(|| process.end()).await;
    let (code, log) = ended.expect("no panic");
    assert_eq!(code, Some(0), "{log}");
    assert!(start.elapsed() < HANGS, "{:?}", start.elapsed());
    drop((waiting, hanging));
}
