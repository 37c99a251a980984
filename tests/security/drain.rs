//! What a client sees of a process that ends, and of its successor on the same port: row 68.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::process::{Process, command, is_release};
use crate::common::{Client, HANDSHAKE, PATIENCE, World, request, skip};
use crate::harness::each;
use crate::tunnel_end::{CLIENT_CLOSE, frame, frames, open};

const TUNNELS: usize = 1000;

/// A stand-in, and the command of a dispatcher in front of it.
async fn standin_and_command(dir: &std::path::Path, way: &str) -> (Standin, Command) {
    let standin = Standin::start(StandinOptions::new(dir.join("t3"))).await;
    let standin = standin.expect("a free port");
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", standin.addr().port().to_string())
        .env("DISPATCHER_FAST_PATH", way)
        .env("DISPATCHER_MAX_TUNNELS", "2000");
    (standin, command)
}

async fn end(process: Process) -> (Option<i32>, String) {
    let ended = tokio::task::spawn_blocking(|| process.end());
    ended.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn row_68_a_thousand_idle_tunnels_are_closed_and_a_download_is_whole() {
    // Both ends of a client's connection are here, and both of t3's.
    let limit = getrlimit(Resource::Nofile);
    let enough = (4 * TUNNELS + 500) as u64;
    if limit.maximum.is_some_and(|most| most < enough) {
        return skip("too few descriptors are allowed");
    }
    let raised = Rlimit {
        current: Some(limit.current.unwrap_or(enough).max(enough)),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("below the maximum");
    for way in ["on", "off"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (_standin, mut command) = standin_and_command(dir.path(), way).await;
        let process = Process::start(&mut command);
        let addr = process.addr;
        let mut tunnels = Vec::new();
        for _ in 0..TUNNELS {
            tunnels.push(open(addr, "/standin/ws").await);
        }
        // More than the buffers on the way hold.
        const LENGTH: usize = 64 << 20;
        let mut download = Client::connect(addr).await;
        download
            .send_head(&format!("GET /standin/bytes/{LENGTH}"))
            .await;
        assert_eq!(download.head().await.expect("a response").status, 200);
        let start = Instant::now();
        process.signal(Signal::TERM);
        let closed = tunnels.into_iter().map(|mut stream| {
            tokio::spawn(async move {
                let close = frame(&mut stream).await.expect("a close");
                let after = start.elapsed();
                let _ = stream.write_all(&CLIENT_CLOSE).await;
                let rest = frames(&mut stream).await;
                (close.close_code(), rest.len(), after)
            })
        });
        let mut slowest = Duration::ZERO;
        for closed in closed.collect::<Vec<_>>() {
            let (code, rest, after) = closed.await.expect("no panic");
            assert_eq!((code, rest), (Some(1001), 0));
            slowest = slowest.max(after);
        }
        println!("fast path {way}: the last close came after {slowest:?}");
        let bound = if is_release() { 1 } else { 5 };
        assert!(slowest < Duration::from_secs(bound), "{slowest:?}");
        let body = download.read_at_least(LENGTH).await;
        let done = Instant::now();
        assert_eq!(body.len(), LENGTH);
        drop(download);
        let (code, log) = end(process).await;
        assert_eq!(code, Some(0), "{log}");
        let took = done.elapsed();
        println!("fast path {way}: the process ended {took:?} after the download");
        assert!(took < Duration::from_secs(3), "{took:?}");
        let pattern: Vec<u8> = (0..251).cycle().take(251 << 8).collect();
        let is_whole = body.chunks(251 << 8).all(|part| pattern.starts_with(part));
        assert!(is_whole, "every byte of the download is right");
    }
}

/// What came of the requests of a client that asks in a loop.
#[derive(Default)]
struct Outcomes {
    served: AtomicUsize,
    /// By the successor: who begins to connect just before the close tries again after a second.
    late: AtomicUsize,
    refused: AtomicUsize,
    is_over: AtomicBool,
}

/// Asks on a new connection for each request, or on one for as long as the answers let it. What is not
/// served must be refused at once.
async fn ask_in_a_loop(to: SocketAddr, target: &'static str, keeps: bool, outcomes: Arc<Outcomes>) {
    let mut kept: Option<Client> = None;
    while !outcomes.is_over.load(Ordering::Acquire) {
        let start = Instant::now();
        let mut client = match kept.take() {
            Some(client) => client,
            None => match TcpStream::connect(to).await {
                Ok(stream) => Client::over(stream),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                    // The other bound only tells a wait from a busy machine. Who begins to connect just before
                    // the close is not heard, and tries again after a second.
                    let (took, again) = (start.elapsed(), Duration::from_secs(1));
                    let took = if took > again { took - again } else { took };
                    let bound = Duration::from_millis(if is_release() { 100 } else { 2000 });
                    assert!(took < bound, "{took:?}");
                    outcomes.refused.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
            },
        };
        let connection = if keeps { "keep-alive" } else { "close" };
        let head = format!("GET {target}\nConnection: {connection}");
        let response = client.exchange(&head).await;
        assert!(
            response.complete && response.status == 200,
            "{}",
            response.status
        );
        let outcome = match start.elapsed() < Duration::from_secs(1) {
            true => &outcomes.served,
            false => &outcomes.late,
        };
        outcome.fetch_add(1, Ordering::AcqRel);
        if keeps && response.header("connection") != "close" {
            kept = Some(client);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_68_between_a_process_and_its_successor_no_request_fails_but_what_is_refused_at_once() {
    each(["on", "off"], |way| async move {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (_standin, mut command) = standin_and_command(dir.path(), way).await;
        let mut process = Process::start(&mut command);
        let addr = process.addr;
        command.env("DISPATCHER_PORT", addr.port().to_string());
        // t3 is up for what is not answered here.
        assert_eq!(request(addr, "GET /standin/1k").await.status, 200);
        let outcomes = Arc::<Outcomes>::default();
        let mut asking = tokio::task::JoinSet::new();
        for target in ["/healthz", "/standin/1k"] {
            for keeps in [true, false] {
                asking.spawn(ask_in_a_loop(addr, target, keeps, Arc::clone(&outcomes)));
            }
        }
        for _ in 0..3 {
            let _idle = open(addr, "/standin/ws").await;
            let served = outcomes.served.load(Ordering::Acquire);
            process.signal(Signal::TERM);
            // The supervisor starts the next one when the first has ended.
            let start = Instant::now();
            let (code, log) = end(process).await;
            assert_eq!(code, Some(0), "{log}");
            assert!(
                start.elapsed() < Duration::from_secs(15),
                "{:?}",
                start.elapsed()
            );
            process = Process::start(&mut command);
            // It takes t3 to be up before its first probe has ended.
            let more = async {
                while outcomes.served.load(Ordering::Acquire) < served + 200 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let more = tokio::time::timeout(PATIENCE, more).await;
            more.expect("the successor serves");
        }
        outcomes.is_over.store(true, Ordering::Release);
        while let Some(asked) = asking.join_next().await {
            asked.expect("no request failed");
        }
        let seen = [&outcomes.refused, &outcomes.late].map(|count| count.load(Ordering::Acquire));
        assert!(seen.iter().sum::<usize>() > 0, "nobody listened at times");
    })
    .await;
}

#[tokio::test]
async fn row_68_a_delay_comes_before_the_drain_and_everything_is_served_in_it() {
    each(["on", "off"], |way| async move {
        let options = ["--fast-path", way, "--drain-delay", "2s"];
        let mut world = World::with(&options).await;
        let addr = world.addr();
        let mut kept = Client::connect(addr).await;
        let before = kept.exchange("GET /api/standin/1k").await;
        assert_eq!(
            (before.status, before.header("connection").as_str()),
            (200, "")
        );
        assert_eq!(request(addr, "GET /readyz").await.status, 200);
        let mut tunnel = open(addr, "/standin/ws").await;
        let start = Instant::now();
        world.dispatcher.begin_drain();
        let leaving = async {
            loop {
                let ready = request(addr, "GET /readyz").await;
                if ready.status == 503 {
                    return ready;
                }
            }
        };
        let leaving = tokio::time::timeout(PATIENCE, leaving)
            .await
            .expect("in time");
        assert_eq!(leaving.text(), "draining");
        assert_eq!(leaving.header("connection"), "close");
        let after = kept.exchange("GET /api/standin/1k").await;
        assert_eq!((after.status, after.body.len()), (200, 1024));
        assert_eq!(after.header("connection"), "close", "fast path {way}");
        assert_eq!(kept.rest().await, b"");
        let health = request(addr, "GET /healthz").await;
        assert_eq!(
            (health.status, health.header("connection").as_str()),
            (200, "close")
        );
        let mut late = open(addr, "/standin/ws").await;
        // A ping of one tunnel, and one of the other.
        for tunnel in [&mut tunnel, &mut late] {
            tunnel
                .write_all(&[0x89, 0x80, 0, 0, 0, 0])
                .await
                .expect("open");
            assert_eq!(frame(tunnel).await.expect("a pong").first, 0x8a);
        }
        assert!(
            start.elapsed() < Duration::from_millis(1900),
            "a machine that is too slow"
        );
        for tunnel in [&mut tunnel, &mut late] {
            let close = frame(tunnel).await.expect("a close");
            assert_eq!(close.close_code(), Some(1001));
        }
        assert!(
            start.elapsed() >= Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        let refused = async {
            loop {
                if let Err(error) = TcpStream::connect(addr).await {
                    return error.kind();
                }
            }
        };
        let refused = tokio::time::timeout(PATIENCE, refused).await;
        assert_eq!(
            refused.expect("nobody listens"),
            ErrorKind::ConnectionRefused
        );
        world.dispatcher.drain().await;
    })
    .await;
}

/// Connections that wait in the backlog when the listener is closed, and requests that come on kept ones
/// at the same moment, are served.
#[tokio::test]
async fn row_68_what_was_sent_before_the_listener_closed_is_served() {
    each(["on", "off"], |way| async move {
        let mut world = World::with(&["--fast-path", way]).await;
        let addr = world.addr();
        let mut kept = Client::connect(addr).await;
        assert_eq!(kept.exchange("GET /api/standin/1k").await.status, 200);
        let mut quiet = Client::connect(addr).await;
        assert_eq!(quiet.exchange("GET /api/standin/1k").await.status, 200);
        // Nothing of the dispatcher runs between the connections and the drain.
        let request = b"GET /api/standin/1k HTTP/1.1\r\nHost: t3.localhost\r\n\r\n";
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(addr).expect("a backlog");
                stream.write_all(request).expect("open");
                stream.set_nonblocking(true).expect("a socket");
                stream
            })
            .collect();
        assert_eq!(kept.stream.try_write(request).expect("open"), request.len());
        world.dispatcher.begin_drain();
        let over = |stream| Client::over(TcpStream::from_std(stream).expect("a socket"));
        let clients = waiting.into_iter().map(over).chain([kept]);
        for (number, mut client) in clients.enumerate() {
            let response = client.response(false).await;
            let connection = response.header("connection");
            assert_eq!(
                (response.status, connection.as_str()),
                (200, "close"),
                "{number}"
            );
        }
        assert_eq!(quiet.rest().await, b"", "an idle connection ends");
        world.dispatcher.drain().await;
    })
    .await;
}

/// A WebSocket that is opened while the process ends is closed like the others.
#[tokio::test]
async fn row_68_an_upgrade_under_way_is_closed_when_it_is_open() {
    let mut world = World::start().await;
    world
        .standin
        .set_faults(|faults| faults.answer_delay_ms = 400);
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head(&format!("GET /standin/ws\n{HANDSHAKE}"))
        .await;
    let asked = world.standin.wait_for(PATIENCE, |seen| {
        seen.iter().any(|seen| seen.target.ends_with(b"/ws"))
    });
    assert!(asked.await);
    world.dispatcher.begin_drain();
    assert_eq!(client.head().await.expect("a response").status, 101);
    assert_eq!(client.rest().await, [0x88, 2, 0x03, 0xe9]);
    world.dispatcher.drain().await;
}
