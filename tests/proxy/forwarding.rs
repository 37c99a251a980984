//! Forwarding keeps the target, the fields and their order.

use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, Dispatcher, World, request};

#[tokio::test]
async fn the_target_and_the_fields_arrive_as_they_were_sent() {
    let world = World::start().await;
    let target = "/standin/head?a=b%20c&d=%2F..%2f;x='1'&e=|&f={g}&&?";
    let fields = "X-Odd: \u{e9}\nX-Twice: 1\nAccept-Language: de\nX-Twice: 2\nX-Empty:\nX-Request-Id: of-a-test\n\
        Connection: close, X-Hop\nX-Hop: gone\nConnection: X-Hop-Too\nX-Hop-Too: gone\n\
        Keep-Alive: timeout=9\nProxy-Authorization: Basic eA==\nTE: gzip";
    let response = request(world.addr(), &format!("GET {target}\n{fields}")).await;
    assert_eq!(response.status, 200);
    let seen = world.asked().pop().expect("one request");
    assert_eq!(String::from_utf8_lossy(&seen.target), target);
    let seen: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value)))
        .collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let expected = [
        ("host", "t3.localhost"),
        ("x-odd", "\u{e9}"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("accept-language", "de"),
        ("x-empty", ""),
        ("x-request-id", "of-a-test"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "t3.localhost"),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_absolute_target_goes_on_in_origin_form() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send(b"GET http://other.test/standin/head?q HTTP/1.1\r\nHost: other.test\r\n\r\n")
        .await;
    assert_eq!(client.response(false).await.status, 200);
    let seen = world.asked().pop().expect("one request");
    assert_eq!(seen.target, b"/standin/head?q");
}

#[tokio::test]
async fn response_fields_come_back_unchanged_without_hop_by_hop_ones() {
    let upstream = RawUpstream::sending(
        b"HTTP/1.1 200 OK\r\nB: 1\r\nSet-Cookie: a=1; Path=/\r\nConnection: keep-alive, X-Hop\r\n\
        X-Hop: gone\r\nSet-Cookie: b=2\r\nKeep-Alive: timeout=5\r\nA: 2\r\nB: 3\r\n\
        Connection: X-Two\r\nX-Two: gone\r\nProxy-Authenticate: x\r\nDate: today\r\n\
        Odd: \xff\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let response = request(dispatcher.addr, "GET /x").await;
    let fields = response.fields();
    let lines: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let expected: [(&str, &[u8]); 8] = [
        ("b", b"1"),
        ("b", b"3"),
        ("set-cookie", b"a=1; Path=/"),
        ("set-cookie", b"b=2"),
        ("a", b"2"),
        ("date", b"today"),
        ("odd", b"\xff"),
        ("content-length", b"2"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(response.text(), "ok");
}

#[tokio::test]
async fn interim_responses_come_before_the_final_one() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    let response = client.exchange("GET /standin/early-hints").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.interim.len(), 1, "{response:?}");
    assert_eq!(response.interim[0].status, 103);
    assert!(!response.interim[0].header("link").is_empty());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    for length in [5, 70_000, 0, 7] {
        client
            .send_head(&format!("GET /standin/bytes/{length}"))
            .await;
    }
    for length in [5, 70_000, 0, 7] {
        assert_eq!(client.response(false).await.body.len(), length);
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_chunks() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send(b"GET /standin/bytes/70000?chunked=1 HTTP/1.0\r\nHost: h\r\n\r\n")
        .await;
    let bytes = client.rest().await;
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let end = end.expect("a head") + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    assert!(!head.contains("chunked"), "{head}");
    assert_eq!(bytes.len() - end, 70_000);
}
