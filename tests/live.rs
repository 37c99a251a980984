//! The whole way against a real t3: `LIVE_T3_BIN=/path/to/t3 cargo test --test live -- --ignored`.

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use t3_dispatcher::config::Config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

use common::{Dispatcher, PAGE, PATIENCE, request};

/// A start takes about 4 s (contract §7); a first one migrates its database too.
const START: Duration = Duration::from_secs(60);

/// `t3 serve` on a base directory of its own; killed with the test.
struct T3 {
    child: Child,
    addr: SocketAddr,
    base_dir: tempfile::TempDir,
    bin: PathBuf,
}

impl T3 {
    async fn start(bin: PathBuf) -> Self {
        let base_dir = tempfile::tempdir().expect("a temporary directory");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = free.local_addr().expect("bound");
        drop(free);
        let child = Command::new(&bin)
            .args(["serve", "--mode", "web", "--host", "127.0.0.1", "--port"])
            .arg(addr.port().to_string())
            .arg("--base-dir")
            .arg(base_dir.path())
            .stdout(Stdio::null())
            .spawn();
        let child = child.expect("LIVE_T3_BIN starts");
        let t3 = Self {
            child,
            addr,
            base_dir,
            bin,
        };
        t3.wait_until_it_answers().await;
        t3
    }

    /// Asks on new connections: what is asked in the first moment is never answered (contract §7).
    async fn wait_until_it_answers(&self) {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < START, "t3 does not answer");
            let answers = async {
                let stream = tokio::net::TcpStream::connect(self.addr).await;
                drop(stream.ok()?);
                Some(request(self.addr, "GET /.well-known/t3/environment").await)
            };
            let answer = tokio::time::timeout(Duration::from_secs(1), answers).await;
            if matches!(answer, Ok(Some(answer)) if answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for T3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_page_load_ends_in_a_live_cockpit() {
    let bin = std::env::var_os("LIVE_T3_BIN").expect("LIVE_T3_BIN is the path of a t3");
    let t3 = T3::start(bin.into()).await;
    let config = Config::try_parse_from([
        "t3-dispatcher".as_ref(),
        "--upstream-port".as_ref(),
        t3.addr.port().to_string().as_ref(),
        "--t3-bin".as_ref(),
        t3.bin.as_os_str(),
        "--t3-home".as_ref(),
        t3.base_dir.path().as_os_str(),
    ]);
    let dispatcher = Dispatcher::start(config.expect("options that parse")).await;

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
    let name = session["auth"]["sessionCookieName"]
        .as_str()
        .expect("a name");
    assert!(cookie.starts_with(&format!("{name}=")));
    let page = request(dispatcher.addr, &format!("GET /\n{PAGE}\nCookie: {cookie}")).await;
    assert_eq!(page.status, 200);

    let mut upgrade = format!("ws://{}/ws", dispatcher.addr)
        .into_client_request()
        .expect("a URL");
    let value = cookie.parse().expect("a header value");
    upgrade.headers_mut().insert("cookie", value);
    let (mut socket, _) = tokio_tungstenite::connect_async(upgrade)
        .await
        .expect("a 101");
    let ping = Message::text(r#"{"_tag":"Ping"}"#);
    socket.send(ping).await.expect("an open socket");
    let pong = tokio::time::timeout(PATIENCE, socket.next()).await;
    let pong = pong.expect("in time").expect("open").expect("a frame");
    assert!(pong.to_text().expect("text").contains("Pong"));
}
