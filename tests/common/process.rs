//! The dispatcher's binary in a process of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
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
    lines: BufReader<Box<dyn Read + Send>>,
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
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its output")
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.expect("the binary starts");
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("a pipe"));
        let mut lines = BufReader::new(stdout);
        let mut first_line = String::new();
        lines.read_line(&mut first_line).expect("a log line");
        let of_apps = first_line.split("listening for apps on ").nth(1);
        let devices = of_apps.and_then(|rest| rest.split(['"', '\n']).next()?.parse().ok());
        if devices.is_some() {
            first_line.clear();
            lines.read_line(&mut first_line).expect("a log line");
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

    /// Reads the log in a thread from now on, for one that is longer than a pipe's 64 KiB.
    pub fn read_log_meanwhile(&mut self) {
        let unread: Box<dyn Read + Send> = Box::new(std::io::empty());
        let mut unread = std::mem::replace(&mut self.lines, BufReader::new(unread));
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = unread.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
        self.lines = BufReader::new(Box::new(WhenRead::Waiting(log)));
    }

    /// Waits for the next log line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a log line");
        line
    }

    /// Reads its log until its static files are compressed.
    pub fn read_until_warm(&mut self) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it has ended");
            if line.contains("warm-up done") {
                return print!("{line}");
            }
        }
    }

    /// The same, within [`WARM_UP`], while others go on.
    pub async fn warm(mut self) -> Self {
        let reading = tokio::task::spawn_blocking(move || {
            self.read_until_warm();
            self
        });
        let warm = tokio::time::timeout(WARM_UP, reading).await;
        warm.expect("in time").expect("no panic")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it runs");
    }

    /// Waits for its end; returns the exit code and the rest of its log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut log = self.first_line.clone();
        self.lines.read_to_string(&mut log).expect("text");
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

/// What a thread has read to its end.
enum WhenRead {
    Waiting(mpsc::Receiver<Vec<u8>>),
    Whole(std::io::Cursor<Vec<u8>>),
}

impl Read for WhenRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Self::Waiting(log) = self {
            let bytes = log.recv().map_err(std::io::Error::other)?;
            *self = Self::Whole(std::io::Cursor::new(bytes));
        }
        match self {
            Self::Whole(bytes) => bytes.read(buffer),
            Self::Waiting(_) => Ok(0),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
