//! Bodies are forwarded whole, with their framing, and as a stream.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::common::{Client, PATIENCE, World, request};

/// "At once" on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn thirty_megabytes_up_and_twenty_down_arrive_whole() {
    let world = World::start().await;
    let body = vec![b'x'; 30 << 20];
    let mut client = Client::connect(world.addr()).await;
    let head = format!("POST /standin/digest\nContent-Length: {}", body.len());
    client.send_head(&head).await;
    client.send(&body).await;
    let up = client.response(false).await.json();
    assert_eq!(up["bytes"], body.len());
    let direct = request(world.standin.addr(), "GET /standin/bytes/20971520").await;
    for target in [
        "/standin/bytes/20971520",
        "/standin/bytes/20971520?chunked=1",
    ] {
        let down = client.exchange(&format!("GET {target}")).await;
        assert!(down.complete && down.body == direct.body, "{target}");
    }
}

#[tokio::test]
async fn a_chunked_upload_and_its_trailers_stay_chunked() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("POST /standin/echo\nTransfer-Encoding: chunked\nTrailer: X-Sum\nTE: trailers")
        .await;
    client
        .send(b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
        .await;
    let response = client.response(false).await;
    assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
    assert_eq!(response.trailers, [("x-sum".to_owned(), b"5".to_vec())]);
    assert_eq!(client.rest().await, b"", "who sent chunks begins anew");
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("GET /standin/head\nTransfer-Encoding: chunked")
        .await;
    client.send(b"1\r\nx\r\n0\r\n\r\n").await;
    assert_eq!(client.response(false).await.status, 200);
    let seen = world.asked().pop().expect("a request");
    let framing = ("transfer-encoding".to_owned(), b"chunked".to_vec());
    assert!(seen.headers.contains(&framing), "a GET keeps its body");
}

#[tokio::test]
async fn the_first_chunk_of_a_slow_response_comes_at_once() {
    let world = World::start().await;
    let start = Instant::now();
    let mut client = Client::connect(world.addr()).await;
    client.send_head("GET /standin/slow?ms=3000").await;
    let head = client.head().await.expect("a response");
    assert_eq!(head.status, 200);
    let first = client.read_at_least(1).await;
    assert!(String::from_utf8_lossy(&first).contains("first"));
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let rest = client.read_at_least("5\r\nlast\n".len()).await;
    assert!(String::from_utf8_lossy(&rest).contains("last"));
}

#[tokio::test]
async fn a_response_during_the_upload_is_not_held_back() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("POST /standin/echo\nTransfer-Encoding: chunked")
        .await;
    // Far more than all buffers on the way hold, sent without reading the response, is stopped by
    // back-pressure; reading then makes room for the rest.
    let (mut reading, mut writing) = client.stream.into_split();
    let chunk = vec![b'y'; 1 << 20];
    let sending = tokio::spawn(async move {
        for _ in 0..16 {
            writing.write_all(b"100000\r\n").await.expect("open");
            writing.write_all(&chunk).await.expect("open");
            writing.write_all(b"\r\n").await.expect("open");
        }
        writing.write_all(b"0\r\n\r\n").await.expect("open");
        writing
    });
    let mut echoed = 0;
    let mut buffer = vec![0; 1 << 16];
    while echoed < 16 << 20 {
        let read = tokio::io::AsyncReadExt::read(&mut reading, &mut buffer);
        let read = tokio::time::timeout(PATIENCE, read)
            .await
            .expect("no stall");
        let read = read.expect("an open connection");
        assert!(read > 0, "ended after {echoed}");
        echoed += buffer[..read].iter().filter(|byte| **byte == b'y').count();
    }
    sending.await.expect("all sent");
}

#[tokio::test]
async fn head_and_bodiless_responses_keep_their_length_and_have_no_body() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    let head = client.exchange("HEAD /standin/bytes/4096").await;
    assert_eq!(
        (head.status, head.header("content-length").as_str()),
        (200, "4096")
    );
    for status in [204, 304] {
        let response = client
            .exchange(&format!("GET /standin/status/{status}"))
            .await;
        assert_eq!((response.status, response.body.len()), (status, 0));
    }
    let next = client.exchange("GET /standin/bytes/3").await;
    assert_eq!(next.body.len(), 3, "the connection goes on");
}

#[tokio::test]
async fn expect_continue_is_answered_once() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head("POST /standin/digest\nContent-Length: 3\nExpect: 100-continue")
        .await;
    let interim = client.head().await.expect("an interim response");
    assert_eq!(interim.status, 100);
    client.send(b"abc").await;
    let response = client.response(false).await;
    assert_eq!((response.status, response.interim.len()), (200, 0));
}
