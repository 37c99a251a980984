//! `/probe/`: served by the dispatcher, whatever t3's state.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::common::{HANDSHAKE, PATIENCE, World, request};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(world: &World, origin: &str) -> Socket {
    let mut request = format!("ws://{}/probe/ws", world.addr())
        .into_client_request()
        .expect("a URL");
    let origin = origin.parse().expect("a header value");
    request.headers_mut().insert("origin", origin);
    let connected = tokio_tungstenite::connect_async(request);
    let connected = tokio::time::timeout(PATIENCE, connected).await;
    connected.expect("in time").expect("a 101").0
}

async fn next(socket: &mut Socket) -> Message {
    let message = tokio::time::timeout(PATIENCE, socket.next()).await;
    message.expect("in time").expect("open").expect("a message")
}

#[tokio::test]
async fn a_probe_needs_no_session_and_reaches_no_t3() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
    world.standin.clear_requests();
    let mut socket = open(&world, "http://elsewhere").await;
    for message in [
        Message::text("hällo"),
        Message::binary(vec![0; 4096]),
        Message::text(""),
    ] {
        socket.send(message.clone()).await.expect("open");
        assert_eq!(next(&mut socket).await, message);
    }
    socket
        .send(Message::Ping("beat".into()))
        .await
        .expect("open");
    assert_eq!(next(&mut socket).await, Message::Pong("beat".into()));
    socket.close(None).await.expect("open");
    while let Some(Ok(_)) = socket.next().await {}
    assert_eq!(
        request(world.addr(), "GET /probe/healthz").await.text(),
        "ok"
    );
    assert!(world.asked().is_empty());
    let scrape = world.metrics().await;
    assert_eq!(scrape.get("tunnels_opened_total"), 0.0);
    assert_eq!(
        scrape.get("requests_total{class=\"1xx\",kind=\"probe\"}"),
        1.0
    );
}

#[tokio::test]
async fn it_works_while_t3_is_gone() {
    let world = World::start().await;
    let World {
        standin,
        dispatcher,
        dir,
    } = world;
    let addr = standin.addr();
    standin.kill();
    assert_eq!(
        request(dispatcher.addr, "GET /probe/healthz").await.status,
        200
    );
    let response = request(dispatcher.addr, &format!("GET /probe/ws\n{HANDSHAKE}")).await;
    assert_eq!(response.status, 101);
    // RFC 6455 §1.3.
    assert_eq!(
        response.header("sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    drop((addr, dir));
}

#[tokio::test]
async fn there_are_64_at_a_time() {
    let world = World::start().await;
    let mut open_ones = Vec::new();
    for _ in 0..64 {
        open_ones.push(open(&world, "http://t3.test").await);
    }
    let refused = request(world.addr(), &format!("GET /probe/ws\n{HANDSHAKE}")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "30");
    let mut last = open_ones.pop().expect("64 of them");
    last.close(None).await.expect("open");
    while let Some(Ok(_)) = last.next().await {}
    // Its place is free right after its end.
    let start = std::time::Instant::now();
    while request(world.addr(), &format!("GET /probe/ws\n{HANDSHAKE}"))
        .await
        .status
        != 101
    {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn a_handshake_is_checked_and_users_not_allowed_are_refused() {
    let world = World::with(&["--identity-header", "x-user", "--allowed-users", "alice"]).await;
    let bad = HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short");
    let old = HANDSHAKE.replace("13", "8");
    for (head, status) in [
        (format!("GET /probe/ws\n{bad}"), 400),
        (format!("GET /probe/ws\n{old}"), 426),
        (format!("POST /probe/ws\n{HANDSHAKE}"), 400),
        ("GET /probe/ws".to_owned(), 426),
        (format!("GET /probe/ws\n{HANDSHAKE}\nX-User: eve"), 403),
        (format!("GET /probe/ws\n{HANDSHAKE}\nX-User: alice"), 101),
        (format!("GET /probe/ws\n{HANDSHAKE}"), 101),
        ("GET /probe/healthz\nX-User: eve".to_owned(), 200),
    ] {
        let response = request(world.addr(), &head).await;
        assert_eq!(response.status, status, "{head}");
        if status == 426 {
            // RFC 9110 §7.8.
            assert_eq!(response.header("upgrade"), "websocket", "{head}");
            let connection = response.all("connection").join(", ").to_lowercase();
            assert!(connection.contains("upgrade"), "{head}: {connection}");
        }
    }
}

#[tokio::test]
async fn too_long_a_message_and_a_drain_end_it_with_their_codes() {
    let world = World::start().await;
    let mut long = open(&world, "http://t3.test").await;
    long.send(Message::text("x".repeat(4097)))
        .await
        .expect("open");
    let Message::Close(Some(close)) = next(&mut long).await else {
        panic!("no close");
    };
    assert_eq!(close.code, CloseCode::Size);
    let mut socket = open(&world, "http://t3.test").await;
    let draining = tokio::spawn(world.dispatcher.drain());
    let Message::Close(Some(close)) = next(&mut socket).await else {
        panic!("no close");
    };
    assert_eq!(close.code, CloseCode::Away);
    while let Some(Ok(_)) = socket.next().await {}
    let drained = tokio::time::timeout(PATIENCE, draining).await;
    drained.expect("in time").expect("no panic");
}
