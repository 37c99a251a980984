//! Memory, processor time and descriptors that misbehaving clients cost: rows 27, 38 and 39.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use t3_standin::seen::Seen;
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::common::process::{Process, command, is_release};
use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::socket_table::{Socket, sockets};
use crate::common::{Client, HANDSHAKE, PATIENCE, World, request};
use crate::harness::until;

/// How long `/healthz` may take while other clients misbehave. The figure is that of the release build;
/// the other bound only tells a wait in a queue from a busy machine.
fn healthz() -> Duration {
    Duration::from_millis(if is_release() { 100 } else { 5000 })
}

/// The most resident memory while many clients misbehave.
pub(crate) const MOST_KIB: u64 = 64 * 1024;

/// A stand-in with the dispatcher's binary in front.
async fn processes(dir: &std::path::Path) -> (Standin, Process) {
    let standin = Standin::start(StandinOptions::new(dir.join("t3"))).await;
    let standin = standin.expect("a free port");
    let port = standin.addr().port().to_string();
    let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
    (standin, process)
}

/// How many descriptors it has open. Only root may list those of a process that forbids inspection;
/// since Linux 6.2 their number is the directory's size.
pub(crate) fn descriptors(process: &Process) -> usize {
    let path = format!("/proc/{}/fd", process.child.id());
    let sized = || std::fs::metadata(&path).expect("procfs").len() as usize;
    std::fs::read_dir(&path).map_or_else(|_| sized(), Iterator::count)
}

/// Processor time so far, in clock ticks of 10 ms.
pub(crate) fn ticks(process: &Process) -> u64 {
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

pub(crate) async fn assert_healthy(addr: SocketAddr) {
    let start = Instant::now();
    assert_eq!(request(addr, "GET /healthz").await.status, 200);
    assert!(
        start.elapsed() < healthz(),
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
        assert_eq!(client.head().await.expect("a response").status, 101);
        tunnels.push(client);
    }
    assert!(descriptors(&process) >= before + 80);
    let spent = ticks(&process);
    for (number, mut client) in tunnels.into_iter().enumerate() {
        match number % 4 {
            0 => drop(client),
            1 => client.stream.set_zero_linger().expect("a TCP socket"),
            // A half-close; 3 is half a frame.
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
    let came = standin.wait_for(PATIENCE, |seen| {
        let downloads = seen
            .iter()
            .filter(|seen| seen.target.ends_with(b"200000000"));
        downloads.count() == 20
    });
    assert!(came.await, "all 20 responses are under way");
    let mut most = 0;
    for _ in 0..10 {
        for client in &mut held[20..] {
            // A connection that is closed by now needs no more bytes.
            let _ = client.stream.write_all(b"x").await;
        }
        assert_healthy(process.addr).await;
        most = most.max(process.resident());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{most} KiB resident");
    assert!(most < MOST_KIB, "{most} KiB resident");
    let unread = most_unread(standin.addr().port());
    assert!(unread < 2 << 20, "{unread} bytes of a response wait unread");
}

/// The most bytes that the kernel holds unread on a connection to `port` of this machine.
fn most_unread(port: u16) -> u64 {
    let sockets = sockets();
    let ours = sockets.iter().filter(|socket| socket.remote == port);
    let unread = ours.map(|socket| socket.unread);
    unread.max().expect("a connection to the port")
}

#[tokio::test]
async fn row_38_who_asks_and_never_reads_spins_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path().join("t3"))).await;
    let standin = standin.expect("a free port");
    let process = Process::start(
        command()
            .env("T3_UPSTREAM_PORT", standin.addr().port().to_string())
            .env("DISPATCHER_RESPONSE_TIMEOUT", "1s"),
    );
    let ask = "GET /standin/bytes/4000";
    let first = request(process.addr, ask).await;
    assert_eq!(first.status, 200, "t3 is known to be up");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let stream = socket.connect(process.addr).await;
    let mut client = Client::over(stream.expect("a listener"));
    // More responses than the buffers on the way hold. The requests are 128 bytes each so that no read ends
    // within one: a head that arrives in pieces is left to hyper.
    let mut one = format!("{ask} HTTP/1.1\r\nHost: t3.test\r\nX-Long: ");
    one.push_str(&"x".repeat(128 - one.len() - 4));
    one.push_str("\r\n\r\n");
    client.send(one.repeat(400).as_bytes()).await;
    // Beyond the response timeout, which must not matter any more.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut spent = u64::MAX;
    for _ in 0..20 {
        let before = ticks(&process);
        tokio::time::sleep(Duration::from_millis(500)).await;
        spent = ticks(&process) - before;
        if spent < 10 {
            break;
        }
    }
    assert!(
        spent < 10,
        "{spent} ticks of the processor in half a second"
    );
    for number in 0..400 {
        let response = client.response(false).await;
        // On a busy machine t3 may exceed the response timeout.
        let is_whole = response.status == 504 || response.body.len() == 4000;
        assert!(
            response.complete && is_whole,
            "{number}: {}",
            response.status
        );
    }
}

#[tokio::test]
async fn who_does_not_take_an_interim_response_is_gone_once_t3_has_not_responded() {
    let interim = "HTTP/1.1 103 Early Hints\r\n".to_owned()
        + &format!("Link: <{}>\r\n", "x".repeat(2000)).repeat(60)
        + "\r\n";
    let upstream = RawUpstream::start(move |mut stream, _, number| {
        let interim = interim.clone();
        async move {
            let response: &[u8] = match number {
                0 => b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
                _ => interim.as_bytes(),
            };
            let _ = stream.write_all(response).await;
            read_until_closed(&mut stream).await;
        }
    })
    .await;
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", upstream.addr.port().to_string())
        .env("DISPATCHER_RESPONSE_TIMEOUT", "1s");
    let process = Process::start(&mut command);
    assert_eq!(request(process.addr, "GET /api/x").await.status, 204);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2048).expect("a small buffer");
    let stream = socket.connect(process.addr).await;
    let mut client = Client::over(stream.expect("a listener"));
    client.send_head("GET /api/x").await;
    let spent = ticks(&process);
    assert!(until(|| is_gone(&client, process.addr)).await, "too long");
    let spent = ticks(&process) - spent;
    assert!(spent < 10, "{spent} ticks of the processor for nothing");
}

#[tokio::test]
async fn row_39_a_sender_of_frames_against_a_stalled_peer_costs_little() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
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
        assert_eq!(client.head().await.expect("a response").status, 101);
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

/// A close is not enough: the kernel would keep the unsent megabytes for as long as the client
/// acknowledges but reads nothing.
#[tokio::test]
async fn row_38_who_was_cut_for_reading_nothing_is_gone_from_the_kernel_too() {
    let world = World::with(&["--body-timeout", "500ms"]).await;
    let mut client = Client::connect(world.addr()).await;
    client.send_head("GET /standin/bytes/200000000").await;
    let cut = world.standin.wait_for(PATIENCE, |seen| {
        let download = |seen: &Seen| seen.target.ends_with(b"200000000") && seen.aborted();
        seen.iter().any(download)
    });
    assert!(cut.await, "t3 no longer has to wait");
    let gone = async {
        while !is_gone(&client, world.addr()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(3), gone).await;
    gone.expect("the kernel keeps nothing for it");
}

/// Does the kernel keep nothing of `client`'s connection for who listens at `addr`?
fn is_gone(client: &Client, addr: SocketAddr) -> bool {
    let port = client.stream.local_addr().expect("connected").port();
    let is_it = |socket: &Socket| socket.local == addr.port() && socket.remote == port;
    !sockets().iter().any(is_it)
}
