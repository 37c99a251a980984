//! The real t3 in a process of its own, and the command of a dispatcher in front of it.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use t3_standin::port;

use crate::common::process;
use crate::common::request;

/// A start takes 2 to 4 s; a first one migrates its database too.
const START: Duration = Duration::from_secs(60);

/// An end takes 3 s (contract §11). On a loaded machine it takes longer; one that a client can put off
/// takes 30 s or for ever.
const EXIT: Duration = Duration::from_secs(20);

/// Several runs of the real CLI, each of which takes 1.2 s when nothing else runs.
pub(crate) const CLI_RUNS: Duration = Duration::from_secs(120);

/// The exit code after SIGTERM (contract §7).
const TERMINATED: i32 = 130;

/// `t3 serve` on a base directory of its own. A test ends with [`T3::finish`].
pub(crate) struct T3 {
    child: Child,
    pub(crate) addr: SocketAddr,
    folder: tempfile::TempDir,
    bin: PathBuf,
    finished: bool,
}

impl T3 {
    pub(crate) async fn start() -> Self {
        let bin = std::env::var_os("LIVE_T3_BIN").expect("LIVE_T3_BIN is the path of a t3");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let addr = port::unused();
        let mut t3 = Self {
            child: spawn(bin.as_ref(), addr, folder.path()),
            addr,
            folder,
            bin: bin.into(),
            finished: false,
        };
        t3.wait_until_it_responds().await;
        t3
    }

    /// Sends it `signal`.
    pub(crate) fn signal(&self, signal: Signal) {
        process::signal_process(&self.child, signal);
    }

    /// Sends it `signal` and waits for its end.
    pub(crate) async fn end(&mut self, signal: Signal) -> ExitStatus {
        let start = Instant::now();
        self.signal(signal);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                println!("t3 ended {:?} after {signal:?}: {status}", start.elapsed());
                // It may have left processes that it had started.
                let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
                return status;
            }
            assert!(
                start.elapsed() < EXIT,
                "t3 goes on {EXIT:?} after {signal:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it once more, on its port and base directory, and does not wait for it.
    pub(crate) fn spawn_again(&mut self) {
        self.child = spawn(&self.bin, self.addr, self.folder.path());
    }

    /// The end of a test: whatever was sent to it, it exits when it is told to.
    pub(crate) async fn finish(mut self) {
        let status = self.end(Signal::TERM).await;
        self.finished = true;
        assert_eq!(status.code(), Some(TERMINATED), "{status}");
    }

    /// Each try has a connection of its own: t3 accepts for half a second before it responds, and
    /// what it accepts then is never served.
    pub(crate) async fn wait_until_it_responds(&mut self) {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < START, "t3 does not respond");
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "t3 has ended: {ended:?}");
            let response = async {
                let stream = tokio::net::TcpStream::connect(self.addr).await;
                drop(stream.ok()?);
                Some(request(self.addr, "GET /.well-known/t3/environment").await)
            };
            let response = tokio::time::timeout(Duration::from_secs(1), response).await;
            if matches!(response, Ok(Some(response)) if response.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its CLI on its base directory; the command is to be added.
    pub(crate) fn cli(&self) -> Command {
        let mut command = Command::new(&self.bin);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("T3CODE_HOME", self.folder.path().join("t3"))
            .env("T3CODE_PORT", self.addr.port().to_string())
            .env("T3CODE_TELEMETRY_ENABLED", "false");
        command
    }

    /// The dispatcher's command line in front of it.
    pub(crate) fn dispatcher(&self) -> Command {
        let mut command = process::command();
        command
            .env("HOME", self.folder.path())
            .env("T3CODE_TELEMETRY_ENABLED", "false")
            .env("T3_UPSTREAM_PORT", self.addr.port().to_string())
            .env("T3_BIN", &self.bin)
            .env("T3CODE_HOME", self.folder.path().join("t3"));
        command
    }

    /// The row that leads to it, in a table of people.
    pub(crate) fn row(&self) -> Value {
        serde_json::json!({
            "port": self.addr.port(),
            "t3_bin": self.bin,
            "base_dir": self.folder.path().join("t3"),
        })
    }

    /// Deletes every session from its database, the dispatcher's own too.
    pub(crate) fn delete_sessions(&self) {
        let script = "import sqlite3, sys\n\
            with sqlite3.connect(sys.argv[1], timeout=30) as state:\n    \
                print(state.execute('DELETE FROM auth_sessions').rowcount)";
        let state = self.folder.path().join("t3/userdata/state.sqlite");
        let mut python = Command::new("python3");
        let deleted = python.args(["-c", script]).arg(state).output();
        let deleted = deleted.expect("python3 is on the PATH");
        let said = String::from_utf8_lossy(&deleted.stdout);
        let count = said.trim().parse::<usize>();
        assert!(matches!(count, Ok(1..)), "{deleted:?}");
    }

    /// Revokes the session of `cookie`, as its CLI does for an administrator.
    pub(crate) async fn revoke(&self, cookie: &str) {
        let token = cookie.split_once('=').expect("name=value").1;
        let claims = token.split('.').next().expect("claims");
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("Base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let session = claims["sid"].as_str().expect("a session id");
        let mut command = self.cli();
        command.args(["auth", "session", "revoke", session]);
        let run =
            tokio::task::spawn_blocking(move || process::output_within(&mut command, CLI_RUNS));
        let run = run.await.expect("no panic");
        assert!(run.status.success(), "{run:?}");
    }

    /// Whether it takes `cookie` for a living session, asked without the dispatcher.
    pub(crate) async fn is_alive(&self, cookie: &str) -> bool {
        let session = format!("GET /api/auth/session\nCookie: {cookie}");
        request(self.addr, &session).await.json()["authenticated"] == true
    }
}

impl Drop for T3 {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        assert!(
            self.finished || std::thread::panicking(),
            "the test does not end with T3::finish"
        );
    }
}

fn spawn(bin: &std::path::Path, addr: SocketAddr, folder: &std::path::Path) -> Child {
    let mut command = Command::new(bin);
    command
        .args(["serve", "--mode", "web", "--host", "127.0.0.1", "--port"])
        .arg(addr.port().to_string())
        .arg("--base-dir")
        .arg(folder.join("t3"))
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("T3CODE_NO_BROWSER", "1")
        .env("T3CODE_TELEMETRY_ENABLED", "false")
        // It starts further processes, which end with the group.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // Its shells complain there that they have no terminal.
        .stderr(Stdio::null());
    command.spawn().expect("LIVE_T3_BIN starts")
}
