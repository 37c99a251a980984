//! The harness of the integration tests: a stand-in t3 with its CLI, and the dispatcher in front of it.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    missing_docs
)]

pub mod app;
pub mod app_fetch;
pub mod app_way;
pub mod browser;
pub mod built;
pub mod http;
pub mod line;
pub mod listener;
pub mod process;
pub mod raw_upstream;
pub mod scrape;
pub mod socket_table;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use t3_dispatcher::server::{self, Listeners};
pub use t3_standin::edition::Edition;
use t3_standin::port;
use t3_standin::seen::Seen;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use t3_dispatcher::config::Config;
use t3_dispatcher::config::timing::Timing;

pub use self::built::{built, cli_in};
pub use self::http::{Client, PATIENCE, request};
pub use self::scrape::Scrape;

/// Where nobody listens. A port that was free a moment ago is another test's a moment later; no socket that asks for any
/// port gets one below 1024.
pub const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// A page load's head without its request line, as current browsers send it.
pub const PAGE: &str = "Sec-Fetch-Dest: document\nSec-Fetch-Mode: navigate\nSec-Fetch-Site: none\n\
    Accept: text/html,application/xhtml+xml\nUser-Agent: Mozilla/5.0 (test)";

/// A WebSocket handshake without its request line.
pub const HANDSHAKE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// The target of t3's WebSocket, as the page of that edition asks for it.
pub fn websocket_of(edition: Edition) -> &'static str {
    match edition {
        Edition::Protocol2 => "/ws?orchestrationProtocol=2",
        _ => "/ws",
    }
}

/// Starts t3 with `options` at `addr`, where it or another one was before; it is `silent` at first (contract §7).
pub async fn start_again(
    mut options: StandinOptions,
    addr: SocketAddr,
    silent: Duration,
) -> Standin {
    options.listen = addr;
    options.faults.silent_start_ms = silent.as_millis() as u64;
    Standin::start(options)
        .await
        .expect("the port is free again")
}

/// Runs tests, functions of this file that take an edition, in front of each edition of t3.
macro_rules! in_front_of_each_t3 {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use crate::common::Edition;

            #[tokio::test(flavor = "multi_thread")]
            async fn of_june() {
                super::$test(Edition::June).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_september() {
                super::$test(Edition::September).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_protocol_2() {
                super::$test(Edition::Protocol2).await;
            }
        }
    )+};
}
pub(crate) use in_front_of_each_t3;

/// A stand-in t3 and a dispatcher in front of it.
pub struct World {
    pub standin: Standin,
    pub dispatcher: Dispatcher,
    pub dir: TempDir,
}

/// A dispatcher that runs in the test's own runtime.
pub struct Dispatcher {
    pub addr: SocketAddr,
    /// The address of `/metrics`.
    pub metrics: SocketAddr,
    /// Where apps connect, if they may.
    pub devices: Option<SocketAddr>,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts both; `args` are the dispatcher's further options.
    pub async fn with(args: &[&str]) -> Self {
        Self::timed(args, |_| {}).await
    }

    /// Starts both, t3 being of that edition.
    pub async fn of(edition: Edition, args: &[&str]) -> Self {
        Self::of_timed(edition, args, |_| {}).await
    }

    /// Starts both, with the times as `set` leaves them: for a test that waits for one of them.
    pub async fn timed(args: &[&str], set: impl FnOnce(&mut Timing)) -> Self {
        Self::of_timed(Edition::default(), args, set).await
    }

    pub async fn of_timed(edition: Edition, args: &[&str], set: impl FnOnce(&mut Timing)) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let base_dir = dir.path().join("t3");
        let standin = Standin::start(StandinOptions::of(edition, &base_dir))
            .await
            .expect("a free port");
        let mut config = config(standin.addr(), dir.path(), args);
        set(&mut config.timing);
        let dispatcher = Dispatcher::start(config).await;
        Self {
            standin,
            dispatcher,
            dir,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.dispatcher.addr
    }

    /// The metrics at this moment.
    pub async fn metrics(&self) -> Scrape {
        Scrape::of(self.dispatcher.metrics).await
    }

    /// The clients' requests that t3 has received. The dispatcher's own carry t3's address as `Host`.
    pub fn asked(&self) -> Vec<Seen> {
        let own = self.standin.addr().to_string();
        let mut seen = self.standin.requests();
        seen.retain(|seen| seen.header("host") != Some(own.as_bytes()));
        seen
    }

    /// The name of t3's session cookie.
    pub async fn cookie_name(&self) -> String {
        let session = request(self.standin.addr(), "GET /api/auth/session").await;
        let name = session.json()["auth"]["sessionCookieName"].take();
        name.as_str().expect("a name").to_owned()
    }

    /// How many exchanges of a credential t3 has been asked for.
    pub fn exchanges(&self) -> usize {
        let requests = self.standin.requests();
        let exchange = |target: &[u8]| target.starts_with(b"/api/auth/browser-session");
        requests
            .iter()
            .filter(|seen| exchange(&seen.target))
            .count()
    }

    /// How often the CLI was started.
    pub fn cli_starts(&self) -> usize {
        t3_standin::journal::starts(self.standin.base_dir()).len()
    }
}

impl Dispatcher {
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind(port::unused()).await;
        Self::on(listener.expect("a free port"), config).await
    }

    /// Starts one in front of `upstream` that finds no t3 CLI; `args` are its further options.
    pub async fn in_front_of(upstream: SocketAddr, args: &[&str]) -> Self {
        Self::in_front_of_timed(upstream, args, |_| {}).await
    }

    /// The same, with the times as `set` leaves them.
    pub async fn in_front_of_timed(
        upstream: SocketAddr,
        args: &[&str],
        set: impl FnOnce(&mut Timing),
    ) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut config = config(upstream, dir.path(), args);
        set(&mut config.timing);
        drop(dir);
        Self::start(config).await
    }

    /// Serves what `listener` accepts.
    pub async fn on(public: TcpListener, config: Config) -> Self {
        let addr = public.local_addr().expect("a bound socket");
        let scraped = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let metrics = scraped.local_addr().expect("a bound socket");
        let devices = match config.devices.port {
            Some(port) => Some(
                TcpListener::bind(("127.0.0.1", port))
                    .await
                    .expect("its port"),
            ),
            None => None,
        };
        let at = devices
            .as_ref()
            .map(|devices| devices.local_addr().expect("a bound socket"));
        let listeners = Listeners {
            public,
            devices,
            metrics: Some(scraped),
        };
        let (shutdown, stopped) = oneshot::channel();
        let running = tokio::spawn(server::run(listeners, config, async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            metrics,
            devices: at,
            shutdown: Some(shutdown),
            running,
        }
    }

    /// Starts the drain and waits until it is over.
    pub async fn drain(mut self) {
        self.begin_drain();
        let drained = tokio::time::timeout(PATIENCE, self.running).await;
        let drained = drained.expect("a bounded drain").expect("no panic");
        drained.expect("it was serving");
    }

    pub fn begin_drain(&mut self) {
        self.shutdown.take().map(|shutdown| shutdown.send(()));
    }
}

/// Tells that a test cannot run on this machine, which is a failure where `CI=true`.
pub fn skip(why: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "{why}");
    println!("skipped: {why}");
}

/// The configuration for a dispatcher in front of `upstream`, with the stand-in's CLI.
pub fn config(upstream: SocketAddr, dir: &Path, args: &[&str]) -> Config {
    let bin = cli_in(dir);
    let (host, port) = (upstream.ip().to_string(), upstream.port().to_string());
    let base_dir = dir.join("t3");
    let defaults = [
        "t3-dispatcher",
        "--upstream-host",
        &host,
        "--upstream-port",
        &port,
        "--t3-bin",
        bin.to_str().expect("a UTF-8 path"),
        "--t3-home",
        base_dir.to_str().expect("a UTF-8 path"),
    ];
    Config::try_parse_from(defaults.iter().chain(args)).expect("options that parse")
}
