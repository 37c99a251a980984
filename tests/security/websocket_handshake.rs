//! Invalid WebSocket handshakes: rows 23, 24 and 75.

use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{assert_untouched, each, seen_last};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

/// Methods and lines of a head; what follows an empty line is a body.
const INVALID: [(&str, &[&str]); 21] = [
    ("POST", &[VERSION, KEY, "Content-Length: 0"]),
    ("POST", &[VERSION, KEY, "Content-Length: 4", "", "body"]),
    ("HEAD", &[VERSION, KEY]),
    ("GET", &[KEY]),
    ("GET", &["Sec-WebSocket-Version: 12", KEY]),
    ("GET", &["Sec-WebSocket-Version: 8", KEY]),
    ("GET", &["Sec-WebSocket-Version: 13, 8", KEY]),
    ("GET", &[VERSION, VERSION, KEY]),
    ("GET", &["Sec-WebSocket-Version:", KEY]),
    ("GET", &[VERSION]),
    ("GET", &[VERSION, "Sec-WebSocket-Key:"]),
    ("GET", &[VERSION, "Sec-WebSocket-Key: short=="]),
    (
        "GET",
        &[VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="],
    ),
    (
        "GET",
        &[VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA="],
    ),
    (
        "GET",
        &[VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ==="],
    ),
    (
        "GET",
        &[VERSION, "Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ=="],
    ),
    ("GET", &[VERSION, KEY, KEY]),
    ("GET", &["Connection: Sec-WebSocket-Key", VERSION, KEY]),
    ("GET", &["Connection: Sec-WebSocket-Version", VERSION, KEY]),
    ("GET", &[VERSION, KEY, "Content-Length: 5"]),
    ("GET", &[VERSION, KEY, "Transfer-Encoding: chunked"]),
];

#[tokio::test]
async fn row_23_a_bad_handshake_never_reaches_t3() {
    each(INVALID, |(method, lines)| async move {
        let world = World::start().await;
        let session = world.standin.issue_browser_session("test").expect("writable");
        let mut client = Client::connect(world.addr()).await;
        let fields = lines.join("\n");
        let (fields, body) = fields.split_once("\n\n").unwrap_or((&fields, ""));
        let head = format!(
            "{method} /ws\nConnection: Upgrade\nUpgrade: websocket\n{fields}\nCookie: t3_session={session}"
        );
        client.send_head(&head).await;
        client.send(body.as_bytes()).await;
        let response = client.response(method == "HEAD").await;
        assert!(matches!(response.status, 400 | 426), "{} to {fields}", response.status);
        if response.status == 426 {
            assert_eq!(response.header("sec-websocket-version"), "13");
            assert_eq!(response.header("upgrade"), "websocket");
        }
        assert_untouched(&world, fields);
        assert!(!world.standin.is_wedged(), "{fields}");
    })
    .await;
}

/// After one of these with a session, the real t3 never exits (contract §10).
#[tokio::test]
async fn row_75_subprotocols_that_are_no_list_of_unique_tokens_never_reach_t3() {
    let lists = [
        "a, a", "a,,b", "", "a b", ",a", "a,", "a;b", "\"a\"", "a\n: a", "a\n: ",
    ];
    each(lists, |list| async move {
        let world = World::start().await;
        let session = world.standin.issue_browser_session("test");
        let session = session.expect("writable");
        let name = "Sec-WebSocket-Protocol";
        let lines = list.replace("\n", &format!("\n{name}"));
        let head = format!("GET /ws\n{HANDSHAKE}\nCookie: t3_session={session}\n{name}: {lines}");
        let response = request(world.addr(), &head).await;
        assert_eq!(response.status, 400, "{list}");
        assert!(response.text().contains(name), "{list}");
        assert_untouched(&world, list);
        assert!(!world.standin.is_wedged(), "{list}");
    })
    .await;
}

#[tokio::test]
async fn row_75_extensions_that_t3_would_reject_never_reach_it() {
    let offers = [
        "",
        "permessage-deflate;;",
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; mux",
        "foo; a=\"b",
        "foo,",
    ];
    each(offers, |offer| async move {
        let world = World::start().await;
        let session = world.standin.issue_browser_session("test");
        let session = session.expect("writable");
        let head = format!(
            "GET /ws\n{HANDSHAKE}\nCookie: t3_session={session}\nSec-WebSocket-Extensions: {offer}"
        );
        let response = request(world.addr(), &head).await;
        assert_eq!(response.status, 400, "{offer}");
        assert_untouched(&world, offer);
    })
    .await;
}

#[tokio::test]
async fn row_75_a_browser_s_offer_of_extensions_is_forwarded() {
    let world = World::start().await;
    let session = world.standin.issue_browser_session("test");
    let session = session.expect("writable");
    let offer = "permessage-deflate; client_max_window_bits";
    let mut client = Client::connect(world.addr()).await;
    let head = format!(
        "GET /ws\n{HANDSHAKE}\nCookie: t3_session={session}\nSec-WebSocket-Extensions: {offer}"
    );
    client.send_head(&head).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    assert_eq!(seen_last(&world, "sec-websocket-extensions"), [offer]);
}

#[tokio::test]
async fn row_75_a_list_of_unique_tokens_is_forwarded() {
    each(["a", "a, b", "a,A\n: t3.v1+json"], |list| async move {
        let world = World::start().await;
        let session = world.standin.issue_browser_session("test");
        let session = session.expect("writable");
        let name = "Sec-WebSocket-Protocol";
        let lines = list.replace("\n", &format!("\n{name}"));
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /ws\n{HANDSHAKE}\nCookie: t3_session={session}\n{name}: {lines}");
        client.send_head(&head).await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        let seen = seen_last(&world, name).join(",");
        assert_eq!(seen, list.replace("\n: ", ","), "{list}");
    })
    .await;
}

#[tokio::test]
async fn row_23_an_upgrade_by_http_1_0_is_none() {
    let world = World::start().await;
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("writable");
    let mut client = Client::connect(world.addr()).await;
    let head = HANDSHAKE.replace('\n', "\r\n");
    let head =
        format!("GET /ws HTTP/1.0\r\nHost: h\r\n{head}\r\nCookie: t3_session={session}\r\n\r\n");
    client.send(head.as_bytes()).await;
    let status = client.response(false).await.status;
    assert!(matches!(status, 400 | 426), "{status}");
    assert_eq!(world.standin.open_websockets(), 0);
}

#[tokio::test]
async fn row_24_an_upgrade_dressed_as_a_page_load_pairs_nobody() {
    each(["/", "/ws", "/standin/ws"], |target| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        client
            .send_head(&format!("GET {target}\n{PAGE}\n{HANDSHAKE}"))
            .await;
        let response = client.head().await.expect("a response");
        assert_ne!(response.status, 302, "{target}");
        assert_eq!(response.header("set-cookie"), "", "{target}");
        assert_eq!(world.exchanges(), 0, "{target}");
    })
    .await;
}
