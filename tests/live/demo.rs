//! `cargo run --example demo -- --real`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::process::signal_process;
use crate::common::{PAGE, built, request};
use crate::t3::CLI_RUNS;
use crate::tab::load_until_up;

/// A running demo, which ends its t3 when it is told to end.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn the_demo_shows_the_real_cockpit() {
    let folder = built(&["--workspace", "--example", "demo"]);
    let mut command = Command::new(folder.join("examples/demo"));
    command
        .args(["--real", "127.0.0.1:0"])
        .stdout(Stdio::piped());
    let mut demo = Demo(command.spawn().expect("the demo starts"));
    let mut lines = BufReader::new(demo.0.stdout.take().expect("a pipe")).lines();
    let mut address_in = |what: &str| {
        let line = lines.find_map(|line| Some(line.ok()?.strip_prefix(what)?.to_owned()));
        let address = line.expect(what);
        address.trim_end_matches('/').parse().expect("an address")
    };
    let t3 = address_in("the real t3 on http://");
    let addr = address_in("open http://");
    let start = Instant::now();
    let mut paired = load_until_up(addr, "").await;
    while paired.status != 302 {
        // A run of the CLI that takes too long leaves the page unpaired, for 5 s.
        assert!(start.elapsed() < CLI_RUNS, "{}", paired.text());
        tokio::time::sleep(Duration::from_secs(1)).await;
        paired = load_until_up(addr, "").await;
    }
    let page = format!("GET /\n{PAGE}\nCookie: {}", paired.cookie());
    assert_eq!(request(addr, &page).await.status, 200);
    signal_process(&demo.0, Signal::TERM);
    let ended = tokio::task::spawn_blocking(move || demo.0.wait()).await;
    let status = ended.expect("no panic").expect("a child");
    assert!(status.success(), "{status}");
    assert!(
        std::net::TcpStream::connect::<std::net::SocketAddr>(t3).is_err(),
        "t3 has ended too"
    );
}
