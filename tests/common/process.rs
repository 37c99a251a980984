//! The dispatcher's binary in a process of its own.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use t3_standin::server::{Options as StandinOptions, Standin};

use super::{PATIENCE, cli_in};

/// Brotli at its best setting takes minutes in a debug build.
pub const WARM_UP: Duration = Duration::from_secs(600);

/// A dispatcher in a process of its own; killed with the test.
pub struct Process {
    pub child: Child,
    pub addr: SocketAddr,
    /// Where apps connect, if they may.
    pub devices: Option<SocketAddr>,
    lines: Receiver<io::Result<String>>,
    pub first_line: String,
}

/// The binary under test: another build of it where `DISPATCHER_BINARY` names one.
pub fn binary() -> OsString {
    let built = || env!("CARGO_BIN_EXE_t3-dispatcher").into();
    std::env::var_os("DISPATCHER_BINARY").unwrap_or_else(built)
}

/// Whether the bounds of the release build apply to the binary under test.
pub fn is_release() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("DISPATCHER_BINARY").is_some()
}

pub fn command() -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("DISPATCHER_HOST", "127.0.0.1")
        .env("DISPATCHER_PORT", "0")
        // The default port is the same for every process.
        .env("DISPATCHER_METRICS_PORT", "0");
    command
}

/// A stand-in whose base directory is `dir`/t3, and the command of a dispatcher in front of it.
pub async fn standin_and_command(dir: &Path) -> (Standin, Command) {
    let base_dir = dir.join("t3");
    let standin = Standin::start(StandinOptions::new(&base_dir)).await;
    let standin = standin.expect("a free port");
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", standin.addr().port().to_string())
        .env("T3_BIN", cli_in(dir))
        .env("T3CODE_HOME", base_dir);
    (standin, command)
}

/// Runs a command that must end by itself.
pub fn output(command: &mut Command) -> Output {
    output_within(command, PATIENCE)
}

/// The same, with a bound of its own.
pub fn output_within(command: &mut Command, patience: Duration) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the binary starts");
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > patience {
            child.kill().expect("it runs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its output")
}

/// Sends `signal` to a child that runs.
pub fn signal_process(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.expect("the binary starts");
        let lines = read_lines(child.stdout.take().expect("a pipe"));
        let mut first_line = next_line(&lines, PATIENCE);
        let of_apps = first_line.split("listening for apps on ").nth(1);
        let devices = of_apps.and_then(|rest| rest.split(['"', '\n']).next()?.parse().ok());
        if devices.is_some() {
            first_line = next_line(&lines, PATIENCE);
        }
        let addr = first_line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split([',', '"', ' ']).next())
            .and_then(|addr| addr.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("no address in {first_line:?}"));
        Self {
            child,
            addr,
            devices,
            lines,
            first_line,
        }
    }

    /// Waits for the next log line; an empty one once it has ended.
    pub fn line(&self) -> String {
        next_line(&self.lines, PATIENCE)
    }

    /// Waits for a log line with `text`; returns that with what came before it.
    pub fn log_until(&self, text: &str) -> String {
        self.log_within(text, PATIENCE)
    }

    fn log_within(&self, text: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        let mut log = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = next_line(&self.lines, left);
            log += &line;
            assert!(!line.is_empty(), "it has ended without {text:?}: {log}");
            if line.contains(text) {
                return log;
            }
        }
    }

    /// Waits until its static files are compressed, while others go on.
    pub async fn warm(self) -> Self {
        let reading = tokio::task::spawn_blocking(move || {
            print!("{}", self.log_within("warm-up done", WARM_UP));
            self
        });
        reading.await.expect("no panic")
    }

    pub fn signal(&self, signal: Signal) {
        signal_process(&self.child, signal);
    }

    /// Waits for its end; returns the exit code and the rest of its log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut log = self.first_line.clone();
        loop {
            match self.line() {
                line if line.is_empty() => break,
                line => log += &line,
            }
        }
        let status = self.child.wait().expect("its end");
        (status.code(), log)
    }

    /// Resident memory now, in KiB.
    pub fn resident(&self) -> u64 {
        self.kib("VmRSS:")
    }

    /// The most that was ever resident, in KiB.
    pub fn peak_resident(&self) -> u64 {
        self.kib("VmHWM:")
    }

    /// Processor time so far, in steps of 10 ms.
    pub fn cpu(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("procfs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u64 = times.map(|ticks| ticks.parse().unwrap_or(0)).sum();
        Duration::from_millis(10 * ticks)
    }

    fn kib(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("procfs");
        let line = status.lines().find(|line| line.starts_with(field));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse().ok()).expect("a figure")
    }
}

/// Reads a log in a thread, to its end: a pipe that nobody reads is full after 64 KiB.
fn read_lines(log: ChildStdout) -> Receiver<io::Result<String>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut log = BufReader::new(log);
        loop {
            let mut line = String::new();
            let read = log.read_line(&mut line);
            if matches!(read, Ok(0)) || sender.send(read.map(|_| line)).is_err() {
                return;
            }
        }
    });
    lines
}

/// The next line of a log, with its end; an empty one behind the last.
fn next_line(lines: &Receiver<io::Result<String>>, limit: Duration) -> String {
    match lines.recv_timeout(limit) {
        Ok(line) => line.expect("text"),
        Err(RecvTimeoutError::Disconnected) => String::new(),
        Err(RecvTimeoutError::Timeout) => panic!("no log line in {limit:?}"),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
