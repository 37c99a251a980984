//! The real t3 in a process of its own, and the command of a dispatcher in front of it.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::common::process;
use crate::common::request;

/// A start takes 2 to 4 s; a first one migrates its database too.
const START: Duration = Duration::from_secs(60);

/// Below the range from which the kernel picks ports for connections.
const FIRST_PORT: u16 = 20_000;

/// `t3 serve` on a base directory of its own; killed with the test.
pub(crate) struct T3 {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    bin: PathBuf,
}

impl T3 {
    pub(crate) async fn start() -> Self {
        let bin = std::env::var_os("LIVE_T3_BIN").expect("LIVE_T3_BIN is the path of a t3");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let addr = free_address();
        let mut command = Command::new(&bin);
        command
            .args(["serve", "--mode", "web", "--host", "127.0.0.1", "--port"])
            .arg(addr.port().to_string())
            .arg("--base-dir")
            .arg(folder.path().join("t3"))
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("T3CODE_NO_BROWSER", "1")
            .env("T3CODE_TELEMETRY_ENABLED", "false")
            // It starts further processes, which end with the group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut t3 = Self {
            child: command.spawn().expect("LIVE_T3_BIN starts"),
            addr,
            folder,
            bin: bin.into(),
        };
        t3.wait_until_it_responds().await;
        t3
    }

    /// Each try has a connection of its own: t3 accepts for half a second before it responds, and
    /// what it accepts then is never served.
    async fn wait_until_it_responds(&mut self) {
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
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
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
}

impl Drop for T3 {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An address on loopback that no other test of this process gets.
fn free_address() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 10_000).expect("a small number");
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(tried < 1_000, "no free port");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", FIRST_PORT + offset + tried)) {
            return listener.local_addr().expect("bound");
        }
    }
}
