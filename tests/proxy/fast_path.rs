//! The fast path gives the same responses as the hyper path.

use std::sync::Arc;
use std::time::Duration;

use t3_standin::seen::Seen;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, PATIENCE, Scrape, World, request};

/// A request that takes the fast path.
const FAST_PATH: &str = "GET /api/x\nAccept: */*\nX-Request-Id: of-both";

/// The same, with a field that has no effect but makes it take the hyper path.
const HYPER_PATH: &str =
    "GET /api/x\nAccept: */*\nX-Request-Id: of-both\nConnection: keep-alive, x-nothing";

/// t3's first response: the fast path is only taken once t3 is known to be up.
const HEALTHY: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

/// What a client sees of a response, apart from its connection fields and the time of day.
fn seen(response: &Response) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut headers = response.fields();
    headers.retain(|(name, _)| !matches!(&**name, "connection" | "transfer-encoding"));
    // The hop dates what came without a date (RFC 9110 §6.6.1).
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == "date") {
        let text = String::from_utf8_lossy(value);
        let date = httpdate::parse_http_date(&text).expect("a date");
        if date
            .elapsed()
            .is_ok_and(|age| age < Duration::from_secs(60))
        {
            *value = b"now".to_vec();
        }
    }
    headers.sort();
    let interim: Vec<_> = response
        .interim
        .iter()
        .map(|head| (head.status, head.headers.clone()))
        .collect();
    (
        response.status,
        headers,
        response.body.clone(),
        response.complete,
        interim,
    )
}

/// Requests that went by the fast path, and by hyper.
async fn by_way(dispatcher: &Dispatcher) -> [f64; 2] {
    let scrape = Scrape::of(dispatcher.metrics).await;
    ["fast_path", "hyper"].map(|way| scrape.get(&format!("requests_by_way_total{{way=\"{way}\"}}")))
}

#[tokio::test]
async fn both_paths_give_the_same_response() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: date\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        b"HTTP/1.1 200 Fine By Me\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: x-a, TRANSFER-ENCODING\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-End: 2\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nBad Name: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nFolded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\noh!",
        b"\r\n",
        b"",
    ] {
        let upstream = RawUpstream::start(move |mut stream, _, number| async move {
            let _ = stream.write_all(if number == 0 { HEALTHY } else { bytes }).await;
            let _ = stream.shutdown().await;
            read_until_closed(&mut stream).await;
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        assert_eq!(request(dispatcher.addr, HYPER_PATH).await.status, 204);
        let fast = request(dispatcher.addr, FAST_PATH).await;
        let hyper = request(dispatcher.addr, HYPER_PATH).await;
        assert_ne!(fast.status, 400, "{}", bytes.escape_ascii());
        assert_eq!(seen(&fast), seen(&hyper), "{}", bytes.escape_ascii());
        // A request for which t3 closed its connection without a byte is sent again, by hyper.
        let expected = if bytes.is_empty() { [0.0, 3.0] } else { [1.0, 2.0] };
        assert_eq!(by_way(&dispatcher).await, expected, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn the_fast_path_keeps_the_order_of_lines() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), HYPER_PATH).await.status, 200);
    // hyper's header map groups the lines of one name.
    for (head, expected) in [(FAST_PATH, "1 2 3"), (HYPER_PATH, "1 3 2")] {
        let head = head.replace("/api/x", "/api/standin/head") + "\nX-A: 1\nX-B: 2\nX-A: 3";
        let seen = request(world.addr(), &head).await.json();
        let lines = seen["headers"].as_array().expect("lines").iter();
        let own =
            lines.filter(|line| matches!(line[0].as_str(), Some("x-a" | "x-b" | "X-A" | "X-B")));
        let values: Vec<_> = own.filter_map(|line| line[1].as_str()).collect();
        assert_eq!(values.join(" "), expected, "{seen}");
    }
    assert_eq!(by_way(&world.dispatcher).await, [1.0, 2.0]);
}

#[tokio::test]
async fn a_response_in_single_bytes_is_the_same_response() {
    let whole = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let upstream = RawUpstream::start(move |mut stream, _, number| async move {
        if number == 0 {
            let _ = stream.write_all(HEALTHY).await;
        }
        for byte in whole {
            let _ = stream.write_all(std::slice::from_ref(byte)).await;
            // Each byte in a segment of its own, as far as the kernel permits.
            tokio::task::yield_now().await;
        }
        read_until_closed(&mut stream).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    assert_eq!(request(dispatcher.addr, HYPER_PATH).await.status, 204);
    let response = request(dispatcher.addr, FAST_PATH).await;
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert!(response.complete);
    assert_eq!(response.interim.len(), 1);
    assert_eq!(by_way(&dispatcher).await, [1.0, 1.0]);
}

#[tokio::test]
async fn the_path_is_chosen_for_each_request_of_a_connection() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), HYPER_PATH).await.status, 200);
    let mut client = Client::connect(world.addr()).await;
    for round in 0..3 {
        for head in [
            "GET /api/standin/1k",
            "GET /api/standin/bytes/300000",
            "GET /api/standin/1k\nConnection: keep-alive, x",
        ] {
            let response = client.exchange(head).await;
            assert_eq!(response.status, 200, "{head} in round {round}");
            assert!(response.complete && response.body.len() >= 1024, "{head}");
        }
        client
            .send_head("POST /api/standin/digest\nContent-Length: 5")
            .await;
        client.send(b"hello").await;
        assert_eq!(client.response(false).await.status, 200);
        client.send_head("HEAD /api/standin/1k").await;
        assert_eq!(client.response(true).await.status, 200);
    }
    drop(client);
    let mut pipelined = Client::connect(world.addr()).await;
    let one = "GET /api/standin/1k HTTP/1.1\r\nHost: t3.test\r\n\r\n";
    let two = "GET /api/standin/1k HTTP/1.1\r\nHost: t3.test\r\nConnection: keep-alive, x\r\n\r\n";
    pipelined
        .send([one, two, one, one, two, two, one].concat().as_bytes())
        .await;
    for number in 0..7 {
        let response = pipelined.response(false).await;
        assert_eq!(
            (response.status, response.body.len()),
            (200, 1024),
            "response {number}"
        );
    }
    // Three GETs or HEADs a round, and of the pipelined ones those before hyper has the connection.
    let [fast, hyper] = by_way(&world.dispatcher).await;
    assert_eq!(fast + hyper, 1.0 + 3.0 * 5.0 + 7.0);
    assert!(fast >= 3.0 * 3.0 + 1.0, "{fast} by the fast path");
    assert!(hyper >= 1.0 + 3.0 * 2.0 + 3.0, "{hyper} by hyper");
}

#[tokio::test]
async fn a_request_in_two_pieces_behind_another_is_served() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    // The second arrives in two pieces: its beginning with the first request, the rest later.
    client
        .send(b"GET /api/standin/1k HTTP/1.1\r\nHost: t3.test\r\n\r\nGET /api/standin/1k HT")
        .await;
    assert_eq!(client.response(false).await.body.len(), 1024);
    tokio::task::yield_now().await;
    client.send(b"TP/1.1\r\nHost: t3.test\r\n\r\n").await;
    assert_eq!(client.response(false).await.body.len(), 1024);
}

#[tokio::test]
async fn the_response_timeout_applies_on_the_fast_path() {
    let upstream = RawUpstream::start(|mut stream, _, number| async move {
        if number == 0 {
            let _ = stream.write_all(HEALTHY).await;
        }
        read_until_closed(&mut stream).await;
    })
    .await;
    let options = ["--response-timeout", "300ms"];
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &options).await;
    assert_eq!(request(dispatcher.addr, HYPER_PATH).await.status, 204);
    let response = tokio::time::timeout(PATIENCE, request(dispatcher.addr, FAST_PATH)).await;
    let response = response.expect("a response in time");
    assert_eq!(response.status, 504);
    assert_eq!(response.json()["error"], "upstream_unavailable");
    assert_eq!(by_way(&dispatcher).await, [1.0, 1.0]);
}

#[tokio::test]
async fn the_fast_path_gives_up_when_the_client_leaves() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), HYPER_PATH).await.status, 200);
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("GET /api/standin/hang\nX-A: 1\nX-B: 2\nX-A: 3")
        .await;
    let is_this = |seen: &&Seen| seen.target == b"/api/standin/hang";
    let arrived = |seen: &[Seen]| seen.iter().any(|seen| is_this(&seen));
    assert!(world.standin.wait_for(PATIENCE, arrived).await);
    let requests = world.standin.requests();
    let hanging = requests.iter().find(is_this).expect("it arrived");
    let own = hanging.headers.iter().filter(|(name, _)| name.len() == 3);
    // hyper's header map groups the lines of one name.
    let values: Vec<_> = own.map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [b"1", b"2", b"3"], "by the fast path");
    drop(client);
    let gone = |seen: &[Seen]| seen.iter().find(is_this).is_some_and(Seen::aborted);
    assert!(world.standin.wait_for(Duration::from_secs(1), gone).await);
}

#[tokio::test]
async fn a_drain_lets_a_fast_path_request_finish_and_closes_its_connection() {
    let (asked, answering) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (was_asked, may_answer) = (Arc::clone(&asked), Arc::clone(&answering));
    let upstream = RawUpstream::start(move |mut stream, _, number| {
        let (asked, answering) = (Arc::clone(&was_asked), Arc::clone(&may_answer));
        async move {
            if number > 0 {
                asked.notify_one();
                answering.notified().await;
            }
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                .await;
            read_until_closed(&mut stream).await;
        }
    })
    .await;
    let mut dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut idle = Client::connect(dispatcher.addr).await;
    assert_eq!(idle.exchange("GET /idle").await.status, 200);
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head("GET /under-way").await;
    asked.notified().await;
    dispatcher.begin_drain();
    assert_eq!(idle.rest().await, b"", "an idle connection ends at once");
    answering.notify_one();
    let response = client.response(false).await;
    let connection = response.header("connection");
    assert_eq!((response.status, connection.as_str()), (200, "close"));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn switched_off_all_requests_of_a_connection_take_the_hyper_path() {
    let mut world = World::with(&["--fast-path", "off"]).await;
    let mut client = Client::connect(world.addr()).await;
    // Each but the first finds t3 up and the connection at rest.
    for number in 0..4 {
        let response = client.exchange("GET /api/standin/1k").await;
        assert_eq!(response.body.len(), 1024, "{number}");
    }
    let one = "GET /api/standin/1k HTTP/1.1\r\nHost: t3.test\r\n\r\n";
    client.send(one.repeat(3).as_bytes()).await;
    for number in 0..3 {
        let response = client.response(false).await;
        assert_eq!(response.body.len(), 1024, "pipelined {number}");
    }
    assert_eq!(by_way(&world.dispatcher).await, [0.0, 7.0]);
    world.dispatcher.begin_drain();
    assert_eq!(client.rest().await, b"", "an idle connection ends at once");
}
