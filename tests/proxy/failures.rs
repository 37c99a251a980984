//! Failures of t3 or of the client: each ends in time, with the right response, and affects no other request.

use std::time::{Duration, Instant};

use t3_standin::port;
use t3_standin::seen::Seen;
use tokio::io::AsyncWriteExt;

use crate::common::raw_upstream::{RawUpstream, read_head, read_until_closed};
use crate::common::{Client, Dispatcher, HANDSHAKE, PAGE, PATIENCE, World, request};

/// "At once" on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn healthz_is_the_dispatcher_s_own_whatever_t3_does() {
    let world = World::start().await;
    let addr = world.addr();
    let World { standin, dir, .. } = world;
    standin.kill();
    let response = request(addr, "GET /healthz").await;
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    for other in ["/healthz/", "//healthz", "/healthzz", "/HEALTHZ"] {
        let response = request(addr, &format!("GET {other}")).await;
        assert_eq!(response.status, 503, "{other} is t3's");
    }
    drop(dir);
}

#[tokio::test]
async fn an_early_response_is_relayed_and_stops_the_upload() {
    let upstream = RawUpstream::start(|mut stream, _, _| async move {
        let response = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmore";
        let _ = stream.write_all(response).await;
        read_until_closed(&mut stream).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client
        .send_head("POST /x\nContent-Length: 1000000000")
        .await;
    client.send(&[b'x'; 100_000]).await;
    let response = client.response(false).await;
    assert_eq!((response.status, response.text().as_str()), (413, "more"));
    assert_eq!(client.rest().await, b"", "the connection is closed");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_upstream_request() {
    for target in ["/standin/hang", "/standin/slow?ms=60000"] {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&format!("GET {target}")).await;
        let is_this = |seen: &&Seen| seen.target == target.as_bytes();
        let arrived = |seen: &[Seen]| seen.iter().any(|seen| is_this(&seen));
        assert!(world.standin.wait_for(PATIENCE, arrived).await, "{target}");
        if target.contains("slow") {
            client.head().await.expect("the head comes at once");
        }
        drop(client);
        let gone = |seen: &[Seen]| seen.iter().find(is_this).is_some_and(Seen::aborted);
        assert!(world.standin.wait_for(AT_ONCE, gone).await, "{target}");
    }
}

#[tokio::test]
async fn none_of_two_thousand_requests_meets_the_end_of_a_kept_connection() {
    let world = World::start().await;
    // Shorter than the pool's own limit, so that t3 closes first, at any moment.
    world.standin.set_faults(|faults| faults.keepalive_ms = 20);
    let mut clients = tokio::task::JoinSet::new();
    for worker in 0..16_u64 {
        let addr = world.addr();
        clients.spawn(async move {
            let mut client = Client::connect(addr).await;
            for turn in 0..125_u64 {
                assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
                // Pauses around the moment at which t3 closes.
                let pause = (worker * 7 + turn * 13) % 30;
                if turn % 5 == 0 {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        });
    }
    while let Some(finished) = clients.join_next().await {
        finished.expect("no request failed");
    }
}

#[tokio::test]
async fn a_request_that_met_a_closed_connection_is_tried_once_more_if_that_is_safe() {
    let upstream = RawUpstream::start(|mut stream, _, number| async move {
        // Each connection serves one request and ends under the second.
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
        let _ = stream.write_all(response.as_bytes()).await;
        read_head(&mut stream).await;
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    assert_eq!(client.exchange("GET /1").await.text(), "0");
    assert_eq!(client.exchange("GET /2").await.text(), "1", "tried again");
    client.send_head("POST /3\nContent-Length: 1").await;
    client.send(b"x").await;
    let posted = client.response(false).await;
    assert_eq!(
        posted.text(),
        "2",
        "on a connection of its own from the start"
    );
}

#[tokio::test]
async fn a_response_cut_short_is_never_made_whole() {
    let world = World::start().await;
    for target in ["/standin/cut", "/standin/cut?chunked=1"] {
        let response = request(world.addr(), &format!("GET {target}")).await;
        assert_eq!(response.status, 200);
        assert!(!response.complete, "{target}");
    }
}

#[tokio::test]
async fn an_invalid_response_becomes_a_502() {
    for bytes in [
        &b""[..],
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
        b"HTTP/1.1 200 ",
    ] {
        let upstream = RawUpstream::sending(bytes).await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        let response = request(dispatcher.addr, "GET /x").await;
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(response.status, 502, "{shown}");
        assert_eq!(response.json()["error"], "upstream_unavailable");
        assert!(response.text().contains(&upstream.addr.to_string()));
    }
}

#[tokio::test]
async fn an_unreachable_t3_is_a_503_at_once_for_scripts_and_after_a_wait_for_pages_and_upgrades() {
    let unused = port::unused();
    let patience = Duration::from_millis(900);
    let dispatcher = Dispatcher::in_front_of_timed(unused, &[], |timing| {
        timing.page_patience = patience;
        timing.upgrade_patience = patience / 3;
    })
    .await;
    let start = Instant::now();
    let script = request(dispatcher.addr, "GET /api/auth/session\nAccept: */*").await;
    assert_eq!(script.status, 503);
    assert_eq!(script.header("content-type"), "application/json");
    assert_eq!(script.header("retry-after"), "1");
    assert!(script.text().contains(&unused.to_string()));
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let ready = request(dispatcher.addr, "GET /readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "down"));
    let start = Instant::now();
    let upgrade = request(dispatcher.addr, &format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(upgrade.status, 503);
    assert_eq!(upgrade.header("content-type"), "application/json");
    assert!(start.elapsed() >= patience / 3, "{:?}", start.elapsed());
    let start = Instant::now();
    let head = format!("GET /\n{PAGE}\nCookie: t3_session=x");
    let page = request(dispatcher.addr, &head).await;
    assert_eq!(page.status, 503);
    let waited = start.elapsed();
    assert!((patience..patience * 3).contains(&waited), "{waited:?}");
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains(&unused.to_string()));
    assert!(
        page.text().contains("http-equiv=\"refresh\""),
        "it reloads itself"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.body.len() < 8192);
}

#[tokio::test]
async fn a_t3_that_is_lost_between_two_requests_is_a_502_or_503() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
    let (addr, upstream) = (world.addr(), world.standin.addr().to_string());
    world.standin.kill();
    let response = request(addr, "GET /standin/1k").await;
    assert!(matches!(response.status, 502 | 503), "{}", response.status);
    assert!(response.text().contains(&upstream));
    assert_eq!(request(addr, "GET /standin/1k").await.status, 503);
}

/// Without an accept, further connections hang once the backlog is full.
#[tokio::test]
async fn a_connection_that_hangs_is_a_503_in_time() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a free port");
    let deaf = socket.listen(1).expect("a listener");
    let addr = deaf.local_addr().expect("bound");
    let mut held = Vec::new();
    let filling = async {
        loop {
            held.push(tokio::net::TcpStream::connect(addr).await);
        }
    };
    let filled = tokio::time::timeout(Duration::from_millis(500), filling).await;
    assert!(filled.is_err(), "the backlog is full");
    let dispatcher = Dispatcher::in_front_of(addr, &[]).await;
    let start = Instant::now();
    let response = request(dispatcher.addr, "GET /x").await;
    assert_eq!(response.status, 503);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_t3_that_never_answers_is_a_504_in_time() {
    let world = World::with(&["--response-timeout", "300ms"]).await;
    let start = Instant::now();
    let response = request(world.addr(), "GET /standin/hang").await;
    assert_eq!(response.status, 504);
    assert!(start.elapsed() < Duration::from_secs(5));
    let slow = request(world.addr(), "GET /standin/slow?ms=900").await;
    assert!(slow.complete, "the bound is for the head alone");
}
