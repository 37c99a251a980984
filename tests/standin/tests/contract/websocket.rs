//! The WebSocket (contract §5).

use futures_util::{SinkExt, StreamExt};
use t3_standin::server::Standin;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::{Client, Reply};
use crate::room::{DEADLINE, Room};

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

type Socket = WebSocketStream<TcpStream>;

async fn upgrade(server: &Standin, path: &str, lines: &str) -> (Client, Reply) {
    let mut client = Client::to(server.addr()).await;
    let reply = client
        .ask(&format!("GET {path}"), &format!("{HANDSHAKE}{lines}"), "")
        .await;
    (client, reply)
}

pub(crate) async fn open(server: &Standin, path: &str) -> Socket {
    let token = server.issue_browser_session("alice").expect("writes");
    let (client, reply) = upgrade(server, path, &format!("Cookie: t3_session={token}\r\n")).await;
    assert_eq!(reply.status, 101, "{reply:?}");
    WebSocketStream::from_partially_read(client.stream, client.unread, Role::Client, None).await
}

pub(crate) async fn ask(socket: &mut Socket, message: impl Into<Message>) -> Message {
    socket.send(message.into()).await.expect("sends");
    timeout(DEADLINE, socket.next())
        .await
        .expect("in time")
        .expect("a message")
        .expect("no error")
}

#[tokio::test]
async fn the_101_has_three_headers() {
    let room = Room::new();
    let server = room.server().await;
    let lines = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (_client, reply) = upgrade(&server, "/standin/ws", lines).await;
    let expected = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];
    assert_eq!(reply.lines, expected);
    let (_client, reply) = upgrade(
        &server,
        "/standin/ws",
        "Sec-WebSocket-Protocol: one, two\r\n",
    )
    .await;
    assert_eq!(reply.header("sec-websocket-protocol"), Some("one"));
}

#[tokio::test]
async fn messages_are_answered() {
    let room = Room::new();
    let server = room.server().await;
    let mut socket = open(&server, "/ws/").await;
    assert_eq!(server.open_websockets(), 1);
    let pong = ask(&mut socket, r#"{"_tag":"Ping"}"#).await;
    assert_eq!(pong, Message::text(r#"{"_tag":"Pong"}"#));
    for bad in [Message::text("not JSON"), Message::binary(vec![0])] {
        let defect = ask(&mut socket, bad).await;
        assert!(
            defect
                .to_text()
                .expect("text")
                .starts_with(r#"{"_tag":"Defect""#)
        );
    }
    let flood =
        r#"{"_tag":"Request","id":"9","tag":"flood","payload":{"chunks":1,"bytes":300000}}"#;
    assert!(ask(&mut socket, flood).await.len() > 300_000);
    let exit = ask(&mut socket, r#"{"_tag":"Ack","requestId":"9"}"#).await;
    assert!(exit.to_text().expect("text").contains("Success"));
    server.wipe_sessions();
    assert_eq!(ask(&mut socket, r#"{"_tag":"Ping"}"#).await, pong);
    drop(socket);
    assert!(
        server
            .wait_for_connections(DEADLINE, |connections, sockets| connections + sockets == 0)
            .await
    );
}

#[tokio::test]
async fn upgrades_without_a_session_are_refused_and_closed() {
    let room = Room::new();
    let server = room.server().await;
    for (path, lines, reason) in [
        ("/ws", "", "missing_credential"),
        ("/ws", "Cookie: t3_session=bad\r\n", "invalid_credential"),
        ("/ws?wsTicket=bad", "", "invalid_credential"),
        ("/ws?wsTicket=", "", "missing_credential"),
        ("/ws", "Authorization: DPoP bad\r\n", "missing_credential"),
    ] {
        let (mut client, reply) = upgrade(&server, path, lines).await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (401, Some("keep-alive"))
        );
        assert!(reply.text().contains(reason), "{path}");
        assert!(client.rest().await.is_empty(), "the socket is ended");
    }
    assert!(!server.is_wedged());
}

#[tokio::test]
async fn a_ticket_opens_it_again_and_again() {
    let room = Room::new();
    let server = room.server().await;
    let token = server.issue_browser_session("alice").expect("writes");
    let cookie = format!("Cookie: t3_session={token}\r\n");
    let mut client = Client::to(server.addr()).await;
    let ticket = client
        .ask("POST /api/auth/websocket-ticket", &cookie, "")
        .await
        .json();
    let path = format!(
        "/ws?wsTicket={}",
        ticket["ticket"].as_str().expect("a ticket")
    );
    for _ in 0..2 {
        assert_eq!(upgrade(&server, &path, "").await.1.status, 101);
    }
    assert_eq!(
        upgrade(&server, "/ws?wsTicket=bad", &cookie).await.1.status,
        401
    );
    let blank = upgrade(&server, "/ws?wsTicket=", &cookie).await;
    assert_eq!(blank.1.status, 101, "a blank one is none");
    assert_eq!(client.ask("GET /ws", &cookie, "").await.status, 400);
}

#[tokio::test]
async fn a_bad_handshake_wedges_the_stop() {
    let room = Room::new();
    let server = room.server().await;
    let token = server.issue_browser_session("alice").expect("writes");
    let mut client = Client::to(server.addr()).await;
    let lines =
        format!("Cookie: t3_session={token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    let reply = client.ask("GET /ws", &lines, "").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (400, Some("text/html"))
    );
    assert!(server.is_wedged());
    drop(client);
    let addr = server.addr();
    assert!(
        timeout(std::time::Duration::from_millis(300), server.stop())
            .await
            .is_err(),
        "never ends"
    );
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn raw_bytes_and_messages_are_echoed() {
    let room = Room::new();
    let server = room.server().await;
    let mut socket = open(&server, "/standin/ws").await;
    assert_eq!(
        ask(&mut socket, Message::binary(vec![7; 70_000]))
            .await
            .len(),
        70_000
    );
    assert_eq!(
        ask(&mut socket, Message::Ping("p".into())).await,
        Message::Pong("p".into())
    );
    let (mut client, reply) = upgrade(&server, "/standin/ws-raw", "").await;
    assert_eq!(reply.status, 101);
    client.send("anything").await;
    assert_eq!(client.until(b"thing").await, b"anything");
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .expect("half-closes");
    assert_eq!(client.rest().await, b"bye");
}
