//! Protocol 2: the WebSocket, its query and permessage-deflate (contract §5).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use t3_standin::edition::Edition;
use t3_standin::server::Standin;

use crate::client::{Client, Reply};
use crate::room::Room;

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const QUERY: &str = "/ws?orchestrationProtocol=2";
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

async fn upgrade(server: &Standin, path: &str, lines: &str) -> (Client, Reply) {
    let mut client = Client::to(server.addr()).await;
    let request_line = format!("GET {path}");
    let reply = client
        .ask(&request_line, &format!("{HANDSHAKE}{lines}"), "")
        .await;
    (client, reply)
}

fn bearer(server: &Standin) -> String {
    let token = server.issue_browser_session("alice").expect("writes");
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn without_the_query_it_is_426_before_all_else() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let bearer = bearer(&server);
    let body = r#"{"code":"orchestration_protocol_incompatible","message":"Update this client to one that supports orchestration protocol 2.","orchestrationProtocolVersion":2}"#;
    for path in [
        "/ws",
        "/ws?orchestrationProtocol=1",
        "/ws/?orchestrationProtocol=02",
        "/ws?orchestrationProtocol=",
    ] {
        for lines in ["", &bearer] {
            let (mut client, reply) = upgrade(&server, path, lines).await;
            assert_eq!(
                (reply.status, reply.text(), reply.body.len()),
                (426, body, 157),
                "{path}"
            );
            let names =
                "content-type content-length vary access-control-allow-origin Date Connection";
            assert_eq!(reply.names().join(" "), names);
            assert!(client.rest().await.is_empty(), "the socket is ended");
        }
    }
    let mut client = Client::to(server.addr()).await;
    assert_eq!(client.get("/ws").await.status, 426, "a plain GET too");
    let (_client, reply) = upgrade(&server, QUERY, "").await;
    assert_eq!(reply.status, 401);
    let (_client, reply) = upgrade(&server, QUERY, &bearer).await;
    assert_eq!(reply.status, 101);
    let (_client, reply) = upgrade(&server, &format!("{QUERY}&wsTicket=bad"), &bearer).await;
    assert_eq!(reply.status, 401);
    assert!(!server.is_wedged());
}

/// A ticket is `base64url(claims).signature`, the claims naming its session.
#[tokio::test]
async fn a_ticket_names_its_session() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let bearer = bearer(&server);
    let mut client = Client::to(server.addr()).await;
    let reply = client
        .ask("POST /api/auth/websocket-ticket", &bearer, "")
        .await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let ticket = reply.json()["ticket"].as_str().expect("text").to_owned();
    let claims = ticket.split('.').next().expect("claims");
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(claims.as_bytes())
        .expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(
        (&claims["kind"], &claims["sid"]),
        (
            &"websocket".into(),
            &server.sessions()[0].id.as_str().into()
        )
    );
    let path = format!("{QUERY}&wsTicket={ticket}");
    assert_eq!(upgrade(&server, &path, "").await.1.status, 101);
    assert_eq!(upgrade(&server, &path, "").await.1.status, 101);
    let as_session = format!("Authorization: Bearer {ticket}\r\n");
    assert_eq!(upgrade(&server, QUERY, &as_session).await.1.status, 401);
}

/// A masked text frame of one compressed message.
fn compressed(compress: &mut Compress, text: &str) -> Vec<u8> {
    let mut payload = Vec::with_capacity(1024);
    compress
        .compress_vec(text.as_bytes(), &mut payload, FlushCompress::Sync)
        .expect("compresses");
    payload.truncate(payload.len() - TAIL.len());
    let key = [7, 8, 9, 10];
    let length = u8::try_from(payload.len()).expect("short");
    let mut frame = vec![0xc1, 0x80 | length];
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// One frame of fewer than 126 bytes: its first byte, its payload.
async fn frame(client: &mut Client) -> (u8, Vec<u8>) {
    loop {
        if let [first, length, rest @ ..] = client.unread.as_slice()
            && rest.len() >= usize::from(*length)
        {
            let (first, length) = (*first, usize::from(*length));
            let payload = client.unread[2..2 + length].to_vec();
            client.unread.drain(..2 + length);
            return (first, payload);
        }
        let read = tokio::io::AsyncReadExt::read_buf(&mut client.stream, &mut client.unread);
        assert!(
            tokio::time::timeout(crate::room::DEADLINE, read)
                .await
                .expect("in time")
                .expect("reads")
                > 0
        );
    }
}

#[tokio::test]
async fn messages_are_compressed_with_the_context_of_those_before() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let (mut client, reply) =
        upgrade(&server, QUERY, &format!("{}{DEFLATE}", bearer(&server))).await;
    assert_eq!(
        (reply.status, reply.header("sec-websocket-extensions")),
        (101, Some("permessage-deflate"))
    );
    let (mut compress, mut decompress) = (
        Compress::new(Compression::fast(), false),
        Decompress::new(false),
    );
    let ping = r#"{"_tag":"Ping"}"#;
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let sent = compressed(&mut compress, ping);
        client.send(&sent).await;
        let (first, mut payload) = frame(&mut client).await;
        assert_eq!(first, 0xc1, "FIN, RSV1, text");
        sizes.push((sent.len(), payload.len()));
        payload.extend(TAIL);
        let mut text = Vec::with_capacity(1024);
        decompress
            .decompress_vec(&payload, &mut text, FlushDecompress::Sync)
            .expect("inflates");
        assert_eq!(text, br#"{"_tag":"Pong"}"#);
    }
    assert!(
        sizes[1].0 < sizes[0].0 && sizes[1].1 < sizes[0].1,
        "{sizes:?}"
    );
    // One message may be sent as it is (RFC 7692 §6).
    let mut plain = vec![0x81, 0x80 | 15, 0, 0, 0, 0];
    plain.extend(ping.as_bytes());
    client.send(&plain).await;
    assert_eq!(frame(&mut client).await.0, 0xc1);
}

/// As a bad key: 400, and the stop never ends (contract §10).
#[tokio::test]
async fn offers_that_ws_refuses_wedge_the_stop() {
    for lines in [
        "Sec-WebSocket-Extensions: \r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n",
        "Sec-WebSocket-Protocol: a, a\r\n",
    ] {
        let room = Room::new();
        let server = room.server_of(Edition::Protocol2).await;
        let (_client, reply) =
            upgrade(&server, QUERY, &format!("{}{lines}", bearer(&server))).await;
        assert_eq!(reply.status, 400, "{lines}");
        assert!(server.is_wedged(), "{lines}");
    }
}
