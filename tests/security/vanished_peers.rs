//! Peers that go without a word, clients and t3, are noticed within a bounded time: row 67.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};

use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{Client, Dispatcher, HANDSHAKE, PATIENCE};
use crate::namespace::{is_inside, run_inside};

/// From the range for documentation (RFC 5737): where the client is, and t3.
const CLIENT: &str = "192.0.2.1";
const T3: &str = "192.0.2.2";

/// After how long a silence a peer is asked, and how long bytes may be unacknowledged.
const SILENCE: Duration = Duration::from_secs(2);

/// When it has to be noticed. Without the options it takes the kernel 15 minutes where bytes are
/// unacknowledged, and where none are, two hours.
const NOTICED: Duration = Duration::from_secs(10);

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A t3 at `T3` that speaks only when it is told to, and tells when a connection has ended.
struct Silent {
    upstream: RawUpstream,
    speak: Arc<Notify>,
    ended: mpsc::UnboundedReceiver<()>,
}

impl Silent {
    async fn start() -> Self {
        let speak = Arc::new(Notify::new());
        let (ending, ended) = mpsc::unbounded_channel();
        let spoken = Arc::clone(&speak);
        let script = move |mut stream: TcpStream, head: Vec<u8>, _| {
            let (spoken, ending) = (Arc::clone(&spoken), ending.clone());
            async move {
                if target_of(&head) != "/ws" {
                    return;
                }
                stream.write_all(SWITCHED).await.expect("open");
                let mut chunk = [0; 64];
                loop {
                    tokio::select! {
                        () = spoken.notified() => stream.write_all(b"\x81\x05hello").await.expect("open"),
                        read = stream.read(&mut chunk) => if !matches!(read, Ok(1..)) { break },
                    }
                }
                let _ = ending.send(());
            }
        };
        let any = format!("{T3}:0").parse().expect("an address");
        let upstream = RawUpstream::of_files_at(any, script).await;
        Self {
            upstream,
            speak,
            ended,
        }
    }

    /// Waits until a connection of the dispatcher's has ended.
    async fn assert_ended(&mut self, of: &str) {
        let ended = tokio::time::timeout(NOTICED, self.ended.recv()).await;
        ended.unwrap_or_else(|_| panic!("not noticed: {of}"));
    }
}

/// Packets to `address` go nowhere from now on, and nothing says so.
fn vanish(address: &str) {
    ip(&format!("addr del {address}/32 dev lo"));
    ip(&format!("route add {address}/32 dev lo"));
}

fn come_back(address: &str) {
    ip(&format!("route del {address}/32 dev lo"));
    ip(&format!("addr add {address}/32 dev lo"));
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status();
    assert!(done.expect("it starts").success(), "ip {arguments}");
}

async fn dispatcher(upstream: SocketAddr, fast_path: &str) -> Dispatcher {
    let args = [
        "--body-timeout",
        "2s",
        "--response-timeout",
        "2s",
        "--fast-path",
        fast_path,
    ];
    Dispatcher::in_front_of_timed(upstream, &args, |timing| timing.silent_peer = SILENCE).await
}

/// An open tunnel of the client at `CLIENT`.
async fn tunnel(to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    let own = format!("{CLIENT}:0").parse().expect("an address");
    socket.bind(own).expect("an address of this namespace");
    let mut client = Client::over(socket.connect(to).await.expect("a listener"));
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    let response = client.head().await.expect("a response");
    assert_eq!(response.status, 101);
    client
}

async fn assert_ends(client: &mut Client, of: &str) {
    let ended = tokio::time::timeout(NOTICED, client.rest()).await;
    ended.unwrap_or_else(|_| panic!("not noticed: {of}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_67_a_peer_that_vanishes_is_noticed_on_both_sides() {
    if !is_inside() {
        let test = "vanished_peers::row_67_a_peer_that_vanishes_is_noticed_on_both_sides";
        return run_inside(test, &[CLIENT, T3]);
    }
    for (fast_path, is_silent) in [("on", false), ("off", false), ("on", true), ("off", true)] {
        let of = format!("fast path {fast_path}, silent: {is_silent}");
        let mut t3 = Silent::start().await;
        let dispatcher = dispatcher(t3.upstream.addr, fast_path).await;
        let client = tunnel(dispatcher.addr).await;
        vanish(CLIENT);
        let start = Instant::now();
        if !is_silent {
            t3.speak.notify_one();
        }
        t3.assert_ended(&format!("the client, {of}")).await;
        assert!(start.elapsed() > SILENCE / 2, "nothing has told of it");
        come_back(CLIENT);
        drop(client);

        let mut client = tunnel(dispatcher.addr).await;
        vanish(T3);
        let start = Instant::now();
        if !is_silent {
            client.send(b"\x81\x85\0\0\0\0hello").await;
        }
        assert_ends(&mut client, &format!("t3, {of}")).await;
        assert!(start.elapsed() > SILENCE / 2, "nothing has told of it");
        come_back(T3);
        dispatcher.drain().await;
    }
}

/// A client that reads nothing for a while is no lost one: its kernel answers.
#[tokio::test]
async fn row_67_a_silent_peer_that_is_there_stays() {
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
        let _ = stream.write_all(SWITCHED).await;
        let mut chunk = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            let _ = stream.write_all(&chunk[..count]).await;
        }
    })
    .await;
    let silence = Duration::from_secs(1);
    let set = |timing: &mut t3_dispatcher::config::timing::Timing| timing.silent_peer = silence;
    let args = ["--body-timeout", "1s", "--response-timeout", "1s"];
    let dispatcher = Dispatcher::in_front_of_timed(upstream.addr, &args, set).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    tokio::time::sleep(4 * silence).await;
    client.send(b"still").await;
    let echoed = tokio::time::timeout(PATIENCE, client.read_at_least(5)).await;
    assert_eq!(echoed.expect("it is open"), b"still");
}
