//! Rows 59 and 60: a t3 that is up and slow, or busy; and how often it is asked.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use t3_standin::port;
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::http::Response;
use crate::common::process::signal_process;
use crate::common::raw_upstream::{RawUpstream, read_head, read_until_closed};
use crate::common::{
    Client, Config, Dispatcher, HANDSHAKE, PAGE, PATIENCE, Scrape, World, cli_in, config, request,
};
use crate::upgrades::SWITCHED;

/// How long t3 takes in row 59, and how much later the response may be here on a busy machine.
const SLOW: Duration = Duration::from_millis(2500);
const LATE: Duration = Duration::from_secs(1);

/// How long t3's event loop is blocked in row 60.
const BLOCKED: Duration = Duration::from_secs(8);

const SWITCHES: [&str; 2] = ["on", "off"];

/// An eligible request of the fast path.
const FETCH: &str = "GET /api/x\nAccept: */*";

fn page(cookie: &str) -> String {
    format!("GET /\n{PAGE}\nCookie: {cookie}")
}

fn upgrade(cookie: &str) -> String {
    format!("GET /ws\n{HANDSHAKE}\nOrigin: http://t3.localhost\nCookie: {cookie}")
}

/// The response to `head`, and how long it took.
async fn timed(to: SocketAddr, head: String) -> (Response, Duration) {
    let start = Instant::now();
    let mut client = Client::connect(to).await;
    client.send_head(&head).await;
    let response = match head.contains("Upgrade") {
        true => client.head().await.expect("a response"),
        false => client.response(false).await,
    };
    (response, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_59_a_t3_that_is_up_and_slow_is_asked_once() {
    for fast_path in SWITCHES {
        let upstream = RawUpstream::of_files(|mut stream, head, _| async move {
            tokio::time::sleep(SLOW).await;
            let response: &[u8] = match head.windows(9).any(|part| part == b"websocket") {
                true => SWITCHED,
                false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            };
            let _ = stream.write_all(response).await;
            read_until_closed(&mut stream).await;
        })
        .await;
        let dispatcher =
            Dispatcher::in_front_of(upstream.addr, &["--fast-path", fast_path, "--pwa", "off"])
                .await;
        let asked = [
            ("/", page("t3_session=x"), 200),
            ("/ws", upgrade("t3_session=x"), 101),
            ("/api/x", FETCH.to_owned(), 200),
        ];
        let under_way = asked.map(|(target, head, status)| {
            let to = dispatcher.addr;
            tokio::spawn(async move { (target, status, timed(to, head).await) })
        });
        for one in under_way {
            let (target, status, (response, took)) = one.await.expect("no panic");
            assert_eq!(response.status, status, "{target}: {}", response.text());
            assert!((SLOW..SLOW + LATE).contains(&took), "{target}: {took:?}");
            assert_eq!(upstream.client_heads(target).len(), 1, "{target}");
        }
    }
}

/// The stand-in in a process of its own, which can be stopped as a whole.
struct BlockedT3 {
    child: Child,
    addr: SocketAddr,
}

impl BlockedT3 {
    async fn start(dir: &Path) -> Self {
        let addr = port::unused();
        let child = Self::spawn(dir, addr);
        let t3 = Self { child, addr };
        t3.wait_until_it_responds().await;
        t3
    }

    fn spawn(dir: &Path, addr: SocketAddr) -> Child {
        let mut serve = Command::new(cli_in(dir));
        serve
            .args(["serve", "--port", &addr.port().to_string(), "--base-dir"])
            .arg(dir.join("t3"))
            .stdout(Stdio::null());
        serve.spawn().expect("the stand-in starts")
    }

    async fn wait_until_it_responds(&self) {
        let start = Instant::now();
        while TcpStream::connect(self.addr).await.is_err() {
            assert!(start.elapsed() < PATIENCE, "it does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        signal_process(&self.child, signal);
    }
}

impl Drop for BlockedT3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn in_front_of(t3: &BlockedT3, dir: &Path, args: &[&str]) -> Dispatcher {
    let config: Config = config(t3.addr, dir, args);
    let dispatcher = Dispatcher::start(config).await;
    let is_up = |scrape: &Scrape| scrape.get("upstream_state{state=\"up\"}") == 1.0;
    Scrape::until(dispatcher.metrics, is_up).await;
    dispatcher
}

/// What t3 is asked while it is blocked, and the status of its response.
fn questions(cookie: &str) -> [(String, u16); 5] {
    [
        (page(cookie), 200),
        (FETCH.to_owned(), 200),
        ("POST /standin/echo\nContent-Length: 0".to_owned(), 200),
        (upgrade(cookie), 101),
        (page(cookie), 200),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn row_60_a_t3_that_is_blocked_keeps_its_requests() {
    for (fast_path, pause) in [("on", 0), ("off", 0), ("on", 4500)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let t3 = BlockedT3::start(dir.path()).await;
        let dispatcher = in_front_of(&t3, dir.path(), &["--fast-path", fast_path]).await;
        let to = dispatcher.addr;
        let cookie = request(to, &format!("GET /\n{PAGE}")).await.cookie();
        assert_eq!(request(to, &page(&cookie)).await.status, 200);
        // Kept connections are closed meanwhile: nothing tells that t3 is still there.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let blocked = Instant::now();
        t3.signal(Signal::STOP);
        let mut under_way = Vec::new();
        let unpaired = (format!("GET /t/1\n{PAGE}"), 302);
        for (head, status) in questions(&cookie).into_iter().chain([unpaired]) {
            under_way.push(tokio::spawn(async move { (timed(to, head).await, status) }));
            tokio::time::sleep(Duration::from_millis(700)).await;
            let ready = request(to, "GET /readyz").await;
            assert_eq!(ready.status, 200, "{}", ready.text());
        }
        tokio::time::sleep(BLOCKED.saturating_sub(blocked.elapsed())).await;
        t3.signal(Signal::CONT);
        let unblocked = Instant::now();
        for one in under_way {
            let ((response, took), status) = one.await.expect("no panic");
            let of = format!("fast path {fast_path}, pause {pause}, {took:?}");
            assert_eq!(response.status, status, "{of}: {}", response.text());
        }
        assert!(unblocked.elapsed() < 2 * LATE, "{:?}", unblocked.elapsed());
        let metrics = Scrape::of(dispatcher.metrics).await;
        let away = ["down", "starting"].map(|state| {
            metrics.get(&format!(
                "upstream_state_changes_total{{state=\"{state}\"}}"
            ))
        });
        assert_eq!(away, [0.0, 0.0], "fast path {fast_path}, pause {pause}");
        assert_eq!(metrics.sum("upstream_failures_total"), 0.0);
    }
}

/// A t3 that was killed while it was blocked has closed what was open: that is no long turn.
#[tokio::test(flavor = "multi_thread")]
async fn row_60_a_t3_that_ends_while_it_is_blocked_is_not_busy() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut t3 = BlockedT3::start(dir.path()).await;
    let dispatcher = in_front_of(&t3, dir.path(), &[]).await;
    let to = dispatcher.addr;
    let cookie = request(to, &format!("GET /\n{PAGE}")).await.cookie();
    t3.signal(Signal::STOP);
    let held = tokio::spawn(timed(to, page(&cookie)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    t3.signal(Signal::KILL);
    t3.child.wait().expect("its end");
    let is_down = |scrape: &Scrape| scrape.get("upstream_state{state=\"down\"}") == 1.0;
    Scrape::until(dispatcher.metrics, is_down).await;
    let ready = request(to, "GET /readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "down"));
    t3.child = BlockedT3::spawn(dir.path(), t3.addr);
    let (served, _) = held.await.expect("no panic");
    assert_eq!(served.status, 200, "it was held: {}", served.text());
}

/// The response timeout is a request's own time: what t3 does not answer by then is 504, not 503.
#[tokio::test(flavor = "multi_thread")]
async fn row_60_a_t3_that_hangs_ends_each_request_after_its_own_time() {
    for fast_path in SWITCHES {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let t3 = BlockedT3::start(dir.path()).await;
        let options = ["--fast-path", fast_path, "--response-timeout", "3s"];
        let dispatcher = in_front_of(&t3, dir.path(), &options).await;
        let to = dispatcher.addr;
        let cookie = request(to, &format!("GET /\n{PAGE}")).await.cookie();
        assert_eq!(request(to, &page(&cookie)).await.status, 200);
        t3.signal(Signal::STOP);
        for round in ["at first", "when it is known"] {
            let asked = questions(&cookie).map(|(head, _)| tokio::spawn(timed(to, head)));
            for one in asked {
                let (response, took) = one.await.expect("no panic");
                let of = format!("fast path {fast_path}, {round}: {took:?}");
                assert_eq!(response.status, 504, "{of}: {}", response.text());
                assert!(took >= Duration::from_millis(2900), "{of}");
            }
        }
        let ready = request(to, "GET /readyz").await;
        assert_eq!((ready.status, ready.text().as_str()), (200, "busy"));
        t3.signal(Signal::CONT);
        let start = Instant::now();
        while request(to, "GET /readyz").await.text() != "up" {
            assert!(start.elapsed() < PATIENCE, "it responds again");
        }
    }
}

/// Of an upstream that serves the first request of each connection and closes it under the second.
async fn closing(sent: Arc<AtomicUsize>) -> RawUpstream {
    RawUpstream::start(move |mut stream, head, _| {
        let sent = Arc::clone(&sent);
        async move {
            let is_counted =
                |head: &[u8]| usize::from(head.windows(8).any(|part| part == b"/counted"));
            sent.fetch_add(is_counted(&head), Ordering::SeqCst);
            if is_counted(&head) == 0 {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
                sent.fetch_add(is_counted(&read_head(&mut stream).await), Ordering::SeqCst);
            }
        }
    })
    .await
}

#[tokio::test]
async fn while_t3_is_up_a_request_is_sent_again_at_most_once_and_only_where_that_is_safe() {
    for fast_path in SWITCHES {
        let sent = Arc::<AtomicUsize>::default();
        let upstream = closing(Arc::clone(&sent)).await;
        let options = ["--fast-path", fast_path, "--pwa", "off", "--assets", "off"];
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &options).await;
        for (head, most) in [
            ("GET /api/counted\nAccept: */*", 2),
            ("HEAD /api/counted\nAccept: */*", 2),
            ("DELETE /counted", 2),
            ("PUT /counted\nContent-Length: 0", 2),
            ("POST /counted\nContent-Length: 0", 1),
            ("PUT /counted\nContent-Length: 1\n\nx", 1),
            ("POST /counted\nContent-Length: 1\n\nx", 1),
            (
                "POST /counted\nTransfer-Encoding: chunked\n\n1\r\nx\r\n0\r\n\r\n",
                1,
            ),
            ("PATCH /counted\nContent-Length: 0", 1),
        ] {
            // Several idle connections, each of which t3 would close.
            let filling: Vec<_> = (0..4)
                .map(|_| tokio::spawn(async move { request(dispatcher.addr, FETCH).await.status }))
                .collect();
            for one in filling {
                assert_eq!(one.await.expect("no panic"), 200);
            }
            sent.store(0, Ordering::SeqCst);
            let (head, body) = head.split_once("\n\n").unwrap_or((head, ""));
            let mut client = Client::connect(dispatcher.addr).await;
            client.send_head(head).await;
            client.send(body.as_bytes()).await;
            let response = client.response(head.starts_with("HEAD")).await;
            assert_eq!(response.status, 502, "{head}: fast path {fast_path}");
            let sent = sent.load(Ordering::SeqCst);
            assert_eq!(sent, most, "{head}: fast path {fast_path}");
        }
        for head in [page("t3_session=x"), upgrade("t3_session=x")] {
            let head = head.replacen("GET /", "GET /counted", 1);
            sent.store(0, Ordering::SeqCst);
            let (response, _) = timed(dispatcher.addr, head.clone()).await;
            assert_eq!(response.status, 502, "{head}: fast path {fast_path}");
            assert!(sent.load(Ordering::SeqCst) <= 2, "{head}");
        }
    }
}

/// Starts t3 again where it was, silent at first (contract §7).
async fn start_again(addr: SocketAddr, dir: &Path, silent: Duration) -> Standin {
    crate::common::start_again(StandinOptions::new(dir.join("t3")), addr, silent).await
}

/// A restart while nothing was open and nobody asked: the first that come find a listener that never
/// responds to them.
#[tokio::test(flavor = "multi_thread")]
async fn row_51_a_restart_that_nobody_saw_loses_nothing() {
    for (fast_path, silent) in [("on", 900), ("off", 900), ("on", 2500)] {
        let world = World::with(&["--fast-path", fast_path]).await;
        let to = world.addr();
        let cookie = request(to, &format!("GET /\n{PAGE}")).await.cookie();
        assert_eq!(request(to, &page(&cookie)).await.status, 200);
        let standin = &world.standin;
        // The dispatcher closes what is idle.
        assert!(
            standin
                .wait_for_connections(PATIENCE, |open, _| open == 0)
                .await
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (addr, silent) = (standin.addr(), Duration::from_millis(silent));
        let World {
            standin,
            dispatcher,
            dir,
        } = world;
        standin.kill();
        let standin = start_again(addr, dir.path(), silent).await;
        let under_way =
            questions(&cookie).map(|(head, status)| (tokio::spawn(timed(to, head)), status));
        for (one, status) in under_way {
            let (response, took) = one.await.expect("no panic");
            let of = format!("fast path {fast_path}, silent for {silent:?}: {took:?}");
            assert_eq!(response.status, status, "{of}: {}", response.text());
            assert!(took < silent + 3 * LATE, "{of}");
        }
        let posts = standin.requests();
        let posts = posts.iter().filter(|seen| seen.target == b"/standin/echo");
        assert_eq!(posts.count(), 1, "a POST is sent once");
        drop(dispatcher);
    }
}
