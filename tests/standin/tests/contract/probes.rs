//! The stand-in's own routes.

use t3_standin::seen::Outcome;

use crate::client::Client;
use crate::room::{DEADLINE, Room};

#[tokio::test]
async fn bodies_come_back_with_their_trailers() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let plain = client
        .ask("PUT /standin/echo", "Content-Type: x/y\r\n", "hello")
        .await;
    assert_eq!(
        (plain.text(), plain.header("content-type")),
        ("hello", Some("x/y"))
    );
    client.send("POST /standin/echo HTTP/1.1\r\nHost: t3\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n").await;
    let head = String::from_utf8(client.until(b"\r\n\r\n").await).expect("text");
    assert!(
        head.contains("trailer: x-sum\r\n") && head.contains("Transfer-Encoding: chunked\r\n"),
        "{head}"
    );
    client.send("3\r\nabc\r\n").await;
    assert_eq!(client.until(b"abc\r\n").await, b"3\r\nabc\r\n");
    client.send("0\r\nX-Sum: 7\r\n\r\n").await;
    assert_eq!(client.until(b"\r\n\r\n").await, b"0\r\nX-Sum: 7\r\n\r\n");
}

#[tokio::test]
async fn bytes_follow_their_pattern() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let expected: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    for path in ["/standin/bytes/200000", "/standin/bytes/200000?chunked=1"] {
        assert!(client.get(path).await.body == expected, "{path}");
    }
    assert_eq!(client.get("/standin/1k").await.body.len(), 1024);
}

#[tokio::test]
async fn statuses_have_the_body_that_they_allow() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    for (status, length) in [
        (204, None),
        (304, Some("11")),
        (205, Some("0")),
        (404, Some("11")),
        (503, Some("11")),
    ] {
        let reply = client.get(&format!("/standin/status/{status}")).await;
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (status, length)
        );
    }
    client
        .send("GET /standin/early-hints HTTP/1.1\r\nHost: t3\r\n\r\n")
        .await;
    assert_eq!(client.reply(false).await.status, 103);
    assert_eq!(client.reply(false).await.status, 200);
}

#[tokio::test]
async fn heads_are_shown_and_recorded() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    let seen = client
        .ask(
            "GET /standin/head?a=%20b",
            "X-MiXed: 1\r\nx-mixed: 2\r\n",
            "",
        )
        .await
        .json();
    assert_eq!(seen["target"], "/standin/head?a=%20b");
    assert_eq!(
        seen["headers"],
        serde_json::json!([["Host", "t3"], ["X-MiXed", "1"], ["x-mixed", "2"]])
    );
    let requests = server.requests();
    assert_eq!(
        (requests.len(), requests[0].target.as_slice()),
        (1, &b"/standin/head?a=%20b"[..])
    );
    assert_eq!(requests[0].header("x-mixed"), Some(&b"1"[..]));
    assert_eq!(
        client
            .get("/standin/cookies")
            .await
            .names()
            .iter()
            .filter(|name| **name == "Set-Cookie")
            .count(),
        3
    );
}

#[tokio::test]
async fn connections_are_dropped_cut_and_closed() {
    let room = Room::new();
    let server = room.server().await;
    for (path, ends) in [
        ("/standin/drop", ""),
        ("/standin/drop?reuse=1", "not dropped\n"),
        ("/standin/close", "closing\n"),
    ] {
        let mut client = Client::to(server.addr()).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: t3\r\n\r\n");
        client.send(&request).await;
        if ends == "not dropped\n" {
            assert_eq!(client.reply(false).await.text(), ends);
            client.send(&request).await;
            assert!(client.rest().await.is_empty());
        } else {
            assert!(client.rest().await.ends_with(ends.as_bytes()), "{path}");
        }
    }
    let mut client = Client::to(server.addr()).await;
    client
        .send("GET /standin/cut HTTP/1.1\r\nHost: t3\r\n\r\n")
        .await;
    let response = client.rest().await;
    let head = response
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .expect("a head");
    assert_eq!(response.len() - head - 4, 500);
}

#[tokio::test]
async fn a_client_that_leaves_early_is_recorded() {
    let room = Room::new();
    let server = room.server().await;
    for path in ["/standin/hang", "/standin/slow?ms=60000"] {
        server.clear_requests();
        let mut client = Client::to(server.addr()).await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: t3\r\n\r\n"))
            .await;
        assert!(server.wait_for(DEADLINE, |seen| seen.len() == 1).await);
        assert_eq!(server.requests()[0].outcome(), Outcome::Open);
        drop(client);
        assert!(
            server.wait_for(DEADLINE, |seen| seen[0].aborted()).await,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    client
        .send("POST /standin/early HTTP/1.1\r\nHost: t3\r\nContent-Length: 1000000\r\n\r\nsome")
        .await;
    let reply = client.reply(false).await;
    assert_eq!((reply.status, reply.text()), (413, "too much\n"));
    assert!(client.rest().await.is_empty());
}
