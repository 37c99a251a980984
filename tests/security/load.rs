//! What t3 or the network does wrong, and how much it may cost: rows 27, 38 to 51.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::io::AsyncWriteExt;

use crate::common::process::{Process, command};
use crate::common::scripted::{Scripted, read_head};
use crate::common::{Client, Dispatcher, PATIENCE, World, config, request};
use crate::harness::{HANDSHAKE, before, each, until};

/// `/healthz` while others misbehave, and the memory that these may cost.
const HEALTHZ: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });
const MOST_KIB: u64 = 64 * 1024;

/// A stand-in with the dispatcher's own binary in front.
async fn processes(dir: &std::path::Path) -> (Standin, Process) {
    let standin = Standin::start(StandinOptions::new(dir.join("t3"))).await;
    let standin = standin.expect("a free port");
    let port = standin.addr().port().to_string();
    let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
    (standin, process)
}

fn descriptors(process: &Process) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.child.id()));
    open.expect("procfs").count()
}

/// Processor time so far, in clock ticks of 10 ms.
fn ticks(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.child.id()));
    let stat = stat.expect("procfs");
    let fields: Vec<_> = stat
        .rsplit_once(") ")
        .expect("a name")
        .1
        .split(' ')
        .collect();
    fields[11..13]
        .iter()
        .map(|field| field.parse().unwrap_or(0))
        .sum()
}

async fn assert_healthy(addr: SocketAddr) {
    let start = Instant::now();
    assert_eq!(request(addr, "GET /healthz").await.status, 200);
    assert!(
        start.elapsed() < HEALTHZ,
        "/healthz took {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn row_27_tunnels_leave_no_descriptor_and_spin_never() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, process) = processes(dir.path()).await;
    let before = descriptors(&process);
    assert_healthy(process.addr).await;
    let mut tunnels = Vec::new();
    for _ in 0..40 {
        let mut client = Client::connect(process.addr).await;
        client
            .send_head(&format!("GET /standin/ws\n{HANDSHAKE}"))
            .await;
        assert_eq!(client.head().await.expect("an answer").status, 101);
        tunnels.push(client);
    }
    assert!(descriptors(&process) >= before + 80);
    let spent = ticks(&process);
    for (number, mut client) in tunnels.into_iter().enumerate() {
        match number % 4 {
            0 => drop(client),
            1 => client.stream.set_zero_linger().expect("a TCP socket"),
            // Half a goodbye, and half a frame with it.
            2 => client.stream.shutdown().await.expect("open"),
            _ => client.send(&[0x81, 0xfe, 0x10]).await,
        }
    }
    let over = standin.wait_for_connections(PATIENCE, |_, open| open == 0);
    assert!(over.await, "t3's sides are closed");
    assert!(
        until(|| descriptors(&process) <= before).await,
        "{before} descriptors"
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = ticks(&process) - spent;
    assert!(spent < 40, "{spent} ticks of the processor for nothing");
}

#[tokio::test]
async fn row_38_who_reads_nothing_and_who_dribbles_cost_little() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, process) = processes(dir.path()).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(process.addr).await;
        client.send_head("GET /standin/bytes/200000000").await;
        held.push(client);
    }
    for _ in 0..600 {
        let mut client = Client::connect(process.addr).await;
        client
            .send(b"GET / HTTP/1.1\r\nHost: t3.test\r\nX-A: ")
            .await;
        held.push(client);
    }
    let came = standin.wait_for(PATIENCE, |seen| seen.len() == 20);
    assert!(came.await, "all 20 answers are under way");
    let mut most = 0;
    for _ in 0..10 {
        for client in &mut held[20..] {
            // Whoever is closed by now has been dealt with.
            let _ = client.stream.write_all(b"x").await;
        }
        assert_healthy(process.addr).await;
        most = most.max(process.resident());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{most} KiB resident");
    assert!(most < MOST_KIB, "{most} KiB resident");
}

#[tokio::test]
async fn row_39_a_sender_of_frames_against_a_stalled_peer_costs_little() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let upstream = Scripted::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head).await;
        std::future::pending::<()>().await;
    })
    .await;
    let port = upstream.addr.port().to_string();
    let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
    let before = process.resident();
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(process.addr).await;
        client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
        assert_eq!(client.head().await.expect("an answer").status, 101);
        let sending = client.stream.write_all(&[0; 64 << 20]);
        let stalled = tokio::time::timeout(Duration::from_millis(200), sending).await;
        assert!(stalled.is_err(), "64 MiB went somewhere");
        held.push(client);
    }
    assert_healthy(process.addr).await;
    let grown = process.resident().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    drop(dir);
}

#[tokio::test]
async fn row_40_an_upstream_that_resets_is_a_502() {
    let upstream = Scripted::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.set_zero_linger().expect("a TCP socket");
    })
    .await;
    let dispatcher = before(upstream.addr, &[]).await;
    let start = Instant::now();
    for head in ["GET /x", "POST /x\nContent-Length: 0"] {
        assert_eq!(request(dispatcher.addr, head).await.status, 502);
    }
    let upgrade = request(dispatcher.addr, &format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(upgrade.status, 502);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn row_45_there_is_one_100_and_no_more() {
    for (asks, most) in [("\nExpect: 100-continue", 1), ("", 1)] {
        let upstream = Scripted::saying(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        let dispatcher = before(upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client
            .send_head(&format!("POST /x\nContent-Length: 3{asks}"))
            .await;
        client.send(b"abc").await;
        let answer = client.answer(false).await;
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
        let continues = answer
            .interim
            .iter()
            .filter(|interim| interim.status == 100);
        assert!(continues.count() <= most, "{:?}", answer.interim);
    }
}

#[tokio::test]
async fn row_47_what_is_no_clean_answer_is_a_502_on_a_connection_not_used_again() {
    let long = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X-A: 1234567\r\n".repeat(80_000)
    );
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        long.leak(),
    ];
    each(cases, |said| async move {
        // It keeps the connection open and would go on with it.
        let upstream = Scripted::start(move |mut stream, _| async move {
            while !read_head(&mut stream).await.is_empty() {
                if stream.write_all(said.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await;
        let dispatcher = before(upstream.addr, &[]).await;
        for number in 1..=2 {
            let answer = request(dispatcher.addr, "GET /x").await;
            assert_eq!(answer.status, 502, "{said:.80}");
            assert_eq!(upstream.connections(), number, "{said:.80}");
        }
    })
    .await;
}

#[tokio::test]
async fn row_48_connection_close_is_heard() {
    let world = World::start().await;
    for head in [
        "GET /standin/1k\nConnection: close",
        "GET /healthz\nConnection: close",
    ] {
        let mut client = Client::connect(world.addr()).await;
        assert_eq!(client.exchange(head).await.status, 200);
        let end = tokio::time::timeout(Duration::from_secs(3), client.rest()).await;
        assert_eq!(end.expect("closed"), b"", "{head}");
    }
}

#[tokio::test]
async fn row_49_without_descriptors_it_waits_and_comes_back() {
    let mut limited = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_t3-dispatcher");
    limited.args(["-c", &format!("ulimit -n 32 && exec {binary}")]);
    limited
        .env("DISPATCHER_HOST", "127.0.0.1")
        .env("DISPATCHER_PORT", "0");
    let process = Process::start(&mut limited);
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(Client::connect(process.addr).await);
    }
    assert!(until(|| descriptors(&process) >= 32).await);
    let spent = ticks(&process);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = ticks(&process) - spent;
    assert!(spent < 20, "{spent} ticks of the processor for waiting");
    drop(held);
    let answer = tokio::time::timeout(PATIENCE, request(process.addr, "GET /healthz")).await;
    assert_eq!(answer.expect("it comes back").status, 200);
}

#[tokio::test]
async fn row_49_a_full_log_takes_nothing_with_it() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command();
    command
        .stdout(Stdio::from(full.expect("a full device")))
        .stderr(Stdio::null());
    command.env("RUST_LOG", "trace");
    let child = command.spawn().expect("the binary starts");
    let addr = listens_on(child.id()).await;
    let mut child = Killed(child);
    for _ in 0..20 {
        assert_eq!(request(addr, "GET /healthz").await.status, 200);
        assert!(matches!(request(addr, "GET /x").await.status, 502 | 504));
    }
    assert!(child.0.try_wait().expect("a child").is_none(), "it runs");
}

struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address on which a process that cannot say so listens, by the kernel's own tables.
async fn listens_on(pid: u32) -> SocketAddr {
    let find = || {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let links: Vec<PathBuf> = fds
            .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
            .collect();
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
        table.lines().find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let socket = PathBuf::from(format!("socket:[{inode}]"));
            let port = u16::from_str_radix(local.split(':').nth(1)?, 16).ok()?;
            (*state == "0A" && links.contains(&socket))
                .then(|| SocketAddr::from(([127, 0, 0, 1], port)))
        })
    };
    assert!(until(|| find().is_some()).await, "it listens");
    find().expect("it listens")
}

#[tokio::test]
async fn row_51_t3_comes_late_restarts_and_is_silent_at_first() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("bound");
    drop(free);
    let options = config(addr, dir.path(), &["--response-timeout", "300ms"]);
    let dispatcher = Dispatcher::start(options).await;
    assert_eq!(
        request(dispatcher.addr, "GET /standin/1k").await.status,
        502
    );
    for silent_start_ms in [0, 0, 1000] {
        let mut options = StandinOptions::new(dir.path().join("t3"));
        options.listen = addr;
        options.faults.silent_start_ms = silent_start_ms;
        let standin = Standin::start(options)
            .await
            .expect("the port is free again");
        let recovers = async {
            let mut statuses = vec![request(dispatcher.addr, "GET /standin/1k").await.status];
            while statuses.last() != Some(&200) {
                statuses.push(request(dispatcher.addr, "GET /standin/1k").await.status);
            }
            statuses
        };
        let statuses = tokio::time::timeout(PATIENCE, recovers).await;
        let statuses = statuses.expect("it recovers by itself");
        assert!(
            statuses
                .iter()
                .all(|status| matches!(status, 200 | 502 | 504))
        );
        assert_eq!(silent_start_ms > 0, statuses.len() > 1, "{statuses:?}");
        standin.kill();
        let down =
            async { while request(dispatcher.addr, "GET /standin/1k").await.status == 200 {} };
        tokio::time::timeout(PATIENCE, down)
            .await
            .expect("it is down");
    }
}
