//! `X-Request-Id`: forwarded to t3, told in every response, and shown on the dispatcher's own error pages.

use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, Dispatcher, HANDSHAKE, PAGE, World, request};

/// The values of `name` in the last request that t3 received.
fn seen(world: &World, name: &str) -> Vec<String> {
    let seen = world.asked().pop().expect("a request");
    let lines = seen.headers.iter();
    lines
        .filter(|(held, _)| held.eq_ignore_ascii_case(name))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[tokio::test]
async fn a_valid_id_is_forwarded_and_any_other_replaced() {
    let world = World::start().await;
    let mut made = Vec::new();
    for (lines, is_taken) in [
        ("X-Request-Id: 7b2c-1", true),
        ("Connection: X-Request-Id\nX-Request-Id: 7b2c-1", true),
        ("X-Request-Id: a b", false),
        ("X-Request-Id: 7b2c-1\nX-Request-Id: 7b2c-1", false),
        ("Accept: */*", false),
    ] {
        let response = request(world.addr(), &format!("GET /standin/1k\n{lines}")).await;
        let told = seen(&world, "x-request-id");
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
        assert_eq!(response.all("x-request-id"), told, "{lines}");
        assert_eq!(told[0] == "7b2c-1", is_taken, "{lines}: {told:?}");
        if !is_taken {
            made.extend(told);
        }
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 3, "each is called otherwise: {made:?}");
}

#[tokio::test]
async fn trace_context_is_forwarded_unchanged() {
    let world = World::start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let lines = format!("traceparent: {parent}\ntracestate: a=1,b=2");
    request(world.addr(), &format!("GET /standin/1k\n{lines}")).await;
    assert_eq!(seen(&world, "traceparent"), [parent]);
    assert_eq!(seen(&world, "tracestate"), ["a=1,b=2"]);
    request(world.addr(), "GET /standin/1k").await;
    assert!(seen(&world, "traceparent").is_empty(), "none is made");
}

#[tokio::test]
async fn error_pages_show_the_id() {
    let world = World::with(&["--identity-header", "x-user", "--allowed-users", "alice"]).await;
    let addr = world.addr();
    let named = "X-Request-Id: quoted-1";
    for (head, status, is_shown) in [
        (format!("TRACE /\n{named}"), 405, false),
        (format!("GET /\n{PAGE}\nX-User: eve\n{named}"), 403, true),
        (format!("GET /api/x\nX-User: eve\n{named}"), 403, true),
        (format!("GET /standin/drop\n{named}"), 502, true),
    ] {
        let response = request(addr, &head).await;
        assert_eq!(response.status, status, "{head}");
        assert_eq!(response.header("x-request-id"), "quoted-1", "{head}");
        assert_eq!(response.text().contains("quoted-1"), is_shown, "{head}");
    }
    let page = request(addr, &format!("GET /\n{PAGE}\nX-User: alice\n{named}")).await;
    assert_eq!(page.status, 302);
    assert_eq!(page.header("x-request-id"), "quoted-1");
}

#[tokio::test]
async fn every_response_tells_the_id_once() {
    for way in ["on", "off"] {
        let world = World::with(&["--fast-path", way]).await;
        for (head, status) in [
            ("GET /standin/1k", 200),
            ("HEAD /standin/1k", 200),
            ("GET /healthz", 200),
            ("GET /readyz", 200),
            ("GET /standin/drop", 502),
            ("GET /api/auth/session", 200),
            ("GET /manifest.webmanifest", 200),
            ("GET /probe/ws", 426),
            ("TRACE /", 405),
        ] {
            let response = request(world.addr(), &format!("{head}\nX-Request-Id: told-1")).await;
            assert_eq!(response.status, status, "{head}, fast path {way}");
            let told = response.all("x-request-id");
            assert_eq!(told, ["told-1"], "{head}, fast path {way}");
        }
        let upgrade = format!("GET /standin/ws\n{HANDSHAKE}\nX-Request-Id: told-1");
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&upgrade).await;
        let switched = client.head().await.expect("a response");
        assert_eq!(switched.status, 101);
        assert_eq!(switched.all("x-request-id"), ["told-1"]);
        let t3 = b"HTTP/1.1 200 OK\r\nX-Request-Id: of-t3\r\nContent-Length: 2\r\n\r\nhi";
        let t3 = RawUpstream::sending(t3).await;
        let dispatcher = Dispatcher::in_front_of(t3.addr, &["--fast-path", way]).await;
        let response = request(dispatcher.addr, "GET /api/x\nX-Request-Id: told-1").await;
        assert_eq!(response.text(), "hi");
        assert_eq!(response.all("x-request-id"), ["told-1"], "fast path {way}");
    }
}
