//! A WebSocket is forwarded byte for byte, and the end of either side ends the other.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use t3_dispatcher::config::timing::Timing;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, HANDSHAKE, PAGE, PATIENCE, World, request};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long the end of one side may take to reach the other.
const SECOND: Duration = Duration::from_secs(1);

/// How long a half-closed tunnel may be at rest here.
const HALF_CLOSED: Duration = Duration::from_millis(600);

async fn open(world: &World, path: &str, cookie: &str) -> Socket {
    let mut request = format!("ws://{}{path}", world.addr())
        .into_client_request()
        .expect("a URL");
    let cookie = cookie.parse().expect("a header value");
    request.headers_mut().insert("cookie", cookie);
    let connected = tokio_tungstenite::connect_async(request);
    let connected = tokio::time::timeout(PATIENCE, connected).await;
    connected.expect("in time").expect("a 101").0
}

async fn paired(world: &World) -> String {
    request(world.addr(), &format!("GET /\n{PAGE}"))
        .await
        .cookie()
}

async fn next(socket: &mut Socket) -> Message {
    let message = tokio::time::timeout(PATIENCE, socket.next()).await;
    message
        .expect("in time")
        .expect("not yet over")
        .expect("a frame")
}

#[tokio::test]
async fn text_a_mebibyte_pings_and_the_close_go_through() {
    let world = World::start().await;
    let mut socket = open(&world, "/standin/ws", "").await;
    let binary: Vec<u8> = (0..1 << 20).map(|n: u32| n as u8).collect();
    for message in [Message::text("hällo"), Message::binary(binary)] {
        socket.send(message.clone()).await.expect("open");
        assert!(next(&mut socket).await == message);
    }
    socket
        .send(Message::Ping("beat".into()))
        .await
        .expect("open");
    assert_eq!(next(&mut socket).await, Message::Pong("beat".into()));
    let frame = CloseFrame {
        code: CloseCode::Library(4321),
        reason: "done".into(),
    };
    socket.close(Some(frame.clone())).await.expect("open");
    assert_eq!(next(&mut socket).await, Message::Close(Some(frame)));
    assert!(socket.next().await.is_none(), "both ends are closed");
    let over = world
        .standin
        .wait_for_connections(SECOND, |_, open| open == 0);
    assert!(over.await);
}

#[tokio::test]
async fn the_session_of_a_pairing_opens_the_cockpit_s_socket() {
    let world = World::start().await;
    let cookie = paired(&world).await;
    let mut socket = open(&world, "/ws", &cookie).await;
    socket
        .send(Message::text(r#"{"_tag":"Ping"}"#))
        .await
        .expect("open");
    assert_eq!(next(&mut socket).await, Message::text(r#"{"_tag":"Pong"}"#));
    assert_eq!(world.exchanges(), 1, "the upgrade itself pairs nothing");
}

#[tokio::test]
async fn a_refused_upgrade_is_t3_s_response_and_the_connection_stays_open() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    let refused = client.exchange(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["code"], "auth_invalid");
    let next = client.exchange("GET /standin/1k").await;
    assert_eq!((next.status, next.body.len()), (200, 1024));
    let requests = world.standin.requests();
    let on = |target: &str| {
        let seen = requests
            .iter()
            .find(|seen| seen.target == target.as_bytes());
        seen.map(|seen| seen.connection)
    };
    assert!(on("/ws").is_some() && on("/standin/1k").is_some());
    assert_ne!(
        on("/ws"),
        on("/standin/1k"),
        "t3's connection is not used again"
    );
}

#[tokio::test]
async fn bytes_behind_the_upgrade_wait_for_the_101() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    let head = HANDSHAKE.replace('\n', "\r\n");
    let head = format!("GET /standin/ws-raw HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\nearly");
    client.send(head.as_bytes()).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    assert_eq!(client.read_at_least(5).await, b"early");
    client.stream.shutdown().await.expect("open");
    assert_eq!(client.rest().await, b"bye", "a half-close is passed on");
}

#[tokio::test]
async fn a_101_to_another_protocol_is_a_502() {
    let upstream = RawUpstream::sending(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    )
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let response = request(dispatcher.addr, &format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(response.status, 502);
}

#[tokio::test]
async fn a_client_s_death_ends_t3_s_side() {
    let world = World::start().await;
    for reset in [false, true] {
        let mut client = Client::connect(world.addr()).await;
        client
            .send_head(&format!("GET /standin/ws\n{HANDSHAKE}"))
            .await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        let open = world
            .standin
            .wait_for_connections(PATIENCE, |_, open| open == 1);
        assert!(open.await);
        if reset {
            client.stream.set_zero_linger().expect("a TCP socket");
        }
        drop(client);
        let over = world
            .standin
            .wait_for_connections(SECOND, |_, open| open == 0);
        assert!(over.await, "reset: {reset}");
    }
}

#[tokio::test]
async fn a_half_closed_tunnel_at_rest_ends_after_its_time_and_one_that_moves_does_not() {
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head).await;
        read_until_closed(&mut stream).await;
        for _ in 0..4 {
            tokio::time::sleep(HALF_CLOSED * 2 / 3).await;
            let _ = stream.write_all(b".").await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let set = |timing: &mut Timing| timing.half_closed_tunnel = HALF_CLOSED;
    let dispatcher = Dispatcher::in_front_of_timed(upstream.addr, &[], set).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    client.stream.shutdown().await.expect("open");
    assert_eq!(client.rest().await, b"....");
}

#[tokio::test]
async fn t3_s_death_ends_the_client_s_side() {
    let world = World::start().await;
    let addr = world.addr();
    let mut client = Client::connect(addr).await;
    client
        .send_head(&format!("GET /standin/ws\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    let World { standin, .. } = world;
    standin.kill();
    let rest = tokio::time::timeout(SECOND, client.rest()).await;
    rest.expect("the end within a second");
}

#[tokio::test]
async fn a_stalled_reader_holds_the_sender_up_and_loses_nothing() {
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head).await;
        for _ in 0..64 {
            if stream.write_all(&[b'z'; 1 << 20]).await.is_err() {
                return;
            }
        }
        let _ = stream.shutdown().await;
        read_until_closed(&mut stream).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    // Others are served while this one does not read.
    assert_eq!(request(dispatcher.addr, "GET /healthz").await.status, 200);
    client.stream.shutdown().await.expect("open");
    assert_eq!(client.rest().await.len(), 64 << 20);
}
