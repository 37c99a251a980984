//! The whole way to a live cockpit in front of the real t3: `LIVE_T3_BIN=$(.ci/t3) cargo test --test live -- --ignored`.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

use common::process::{self, Process, output};
use common::{PAGE, PATIENCE, request};

/// A start takes 2 to 4 s; a first one migrates its database too.
const START: Duration = Duration::from_secs(60);

/// Below the range from which the kernel picks ports for connections.
const FIRST_PORT: u16 = 20_000;

/// `t3 serve` on a base directory of its own; killed with the test.
struct T3 {
    child: Child,
    addr: SocketAddr,
    folder: tempfile::TempDir,
    bin: PathBuf,
}

impl T3 {
    async fn start() -> Self {
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
    fn dispatcher(&self) -> Command {
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_page_load_ends_in_a_live_cockpit() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());

    let start = Instant::now();
    let paired = request(dispatcher.addr, &format!("GET /t/1?a=b%20c\n{PAGE}")).await;
    println!("paired in {:?}", start.elapsed());
    assert_eq!(
        (paired.status, paired.header("location").as_str()),
        (302, "/t/1?a=b%20c")
    );
    let cookie = paired.cookie();
    let session = format!("GET /api/auth/session\nCookie: {cookie}");
    let session = request(dispatcher.addr, &session).await.json();
    assert_eq!(session["authenticated"], true);
    let name = session["auth"]["sessionCookieName"].as_str();
    let name = name.expect("a name");
    assert!(cookie.starts_with(&format!("{name}=")), "{name}");
    let page = format!("GET /t/1?a=b%20c\n{PAGE}\nCookie: {cookie}");
    let page = request(dispatcher.addr, &page).await;
    assert_eq!((page.status, page.complete), (200, true));
    assert!(page.text().contains("<html"), "{}", page.text());
    assert_eq!(page.header("set-cookie"), "", "a session is made once");

    let pong = ping(dispatcher.addr, &cookie).await;
    assert_eq!(pong["_tag"], "Pong");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn check_finds_nothing_amiss() {
    let t3 = T3::start().await;
    let mut command = t3.dispatcher();
    command.args(["check", "--json"]);
    let checked = tokio::task::spawn_blocking(move || output(&mut command)).await;
    let checked = checked.expect("no panic");
    let report = String::from_utf8_lossy(&checked.stdout);
    println!("{report}");
    assert_eq!(checked.status.code(), Some(0));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["well"], true);
    let steps = report["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["outcome"] == "well"));
}

/// What the WebSocket says to the heartbeat of t3's page.
async fn ping(dispatcher: SocketAddr, cookie: &str) -> Value {
    let mut upgrade = format!("ws://{dispatcher}/ws")
        .into_client_request()
        .expect("a URL");
    let value = cookie.parse().expect("a header value");
    upgrade.headers_mut().insert("cookie", value);
    let connected = tokio::time::timeout(PATIENCE, tokio_tungstenite::connect_async(upgrade)).await;
    let (mut socket, _) = connected.expect("in time").expect("a 101");
    let ping = Message::text(r#"{"_tag":"Ping"}"#);
    socket.send(ping).await.expect("an open socket");
    let pong = tokio::time::timeout(PATIENCE, socket.next()).await;
    let pong = pong.expect("in time").expect("open").expect("a frame");
    serde_json::from_str(pong.to_text().expect("text")).expect("JSON")
}
