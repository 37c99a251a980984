//! Start and stop (contract §7).

use std::process::ExitStatus;
use std::time::Duration;

use t3_standin::server::{Options, Standin};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::client::Client;
use crate::room::{DEADLINE, Room};
use crate::websocket;

#[tokio::test]
async fn during_a_silent_start_it_accepts_and_does_not_respond() {
    let room = Room::new();
    let mut options = Options::new(room.path());
    options.faults.silent_start_ms = 400;
    let server = Standin::start(options).await.expect("starts");
    let mut early = Client::to(server.addr()).await;
    early
        .send("GET /standin/1k HTTP/1.1\r\nHost: t3\r\n\r\n")
        .await;
    let silence = timeout(Duration::from_millis(600), early.reply(false)).await;
    assert!(silence.is_err(), "never answered, not even late");
    assert_eq!(
        Client::to(server.addr())
            .await
            .get("/standin/1k")
            .await
            .status,
        200
    );
    drop(early);
    assert!(server.wait_for(DEADLINE, |seen| seen[0].aborted()).await);
}

#[tokio::test]
async fn a_killed_server_is_gone_and_can_come_again() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    client.get("/standin/1k").await;
    let mut options = Options::new(room.path());
    options.listen = server.addr();
    server.kill();
    assert!(TcpStream::connect(options.listen).await.is_err());
    assert!(client.rest().await.is_empty());
    let server = Standin::start(options).await.expect("the port is free");
    assert_eq!(Client::to(server.addr()).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_stop_completes_what_is_under_way() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.keepalive_ms = 100);
    let mut idle = Client::to(server.addr()).await;
    idle.get("/standin/1k").await;
    let mut busy = Client::to(server.addr()).await;
    busy.send("GET /standin/slow?ms=300 HTTP/1.1\r\nHost: t3\r\n\r\n")
        .await;
    assert!(server.wait_for(DEADLINE, |seen| seen.len() == 2).await);
    let runtime = room.path().join("userdata/server-runtime.json");
    assert!(runtime.exists());
    let (reply, (), idle) = tokio::join!(busy.reply(false), server.stop(), idle.rest());
    assert_eq!(reply.text(), "first\nlast\n");
    assert!(idle.is_empty() && !runtime.exists());
}

#[tokio::test]
async fn open_sockets_end_with_a_close_and_raw_bytes() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.websocket_grace_ms = 200);
    let mut socket = websocket::open(&server, "/ws").await;
    let pong = websocket::ask(&mut socket, r#"{"_tag":"Ping"}"#).await;
    let stop = tokio::spawn(server.stop());
    let during = websocket::ask(&mut socket, r#"{"_tag":"Ping"}"#).await;
    assert_eq!(during, pong);
    let mut rest = Vec::new();
    let read = timeout(DEADLINE, socket.get_mut().read_to_end(&mut rest)).await;
    assert!(read.is_ok());
    // A close frame of no bytes, unmasked (RFC 6455 §5.5.1), then HTTP.
    assert!(
        rest.starts_with(b"\x88\x00HTTP/1.1 503 Service Unavailable\r\n"),
        "{rest:?}"
    );
    timeout(DEADLINE, stop)
        .await
        .expect("in time")
        .expect("stops");
}

#[tokio::test]
async fn the_process_ends_130() {
    let room = Room::new();
    let mut child = room.spawn(&["serve", "--port", "0"]);
    let mut stdout = child.stdout.take().expect("piped");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("/pair#token=") {
        let read = timeout(DEADLINE, stdout.read_buf(&mut said)).await;
        assert!(read.expect("in time").expect("reads") > 0);
    }
    let runtime = std::fs::read(room.path().join("userdata/server-runtime.json")).expect("there");
    let runtime: serde_json::Value = serde_json::from_slice(&runtime).expect("JSON");
    let addr = format!("127.0.0.1:{}", runtime["port"])
        .parse()
        .expect("an address");
    assert_eq!(
        Client::to(addr)
            .await
            .get("/.well-known/t3/environment")
            .await
            .status,
        200
    );
    let pid = child.id().expect("runs").to_string();
    Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .expect("kill runs");
    let status: ExitStatus = timeout(DEADLINE, child.wait())
        .await
        .expect("in time")
        .expect("ends");
    assert_eq!(status.code(), Some(130));
}
