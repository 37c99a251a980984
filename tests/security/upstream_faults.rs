//! Faults of t3: resets, extra interim responses, invalid responses: rows 40 to 48.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::common::raw_upstream::{RawUpstream, read_head};
use crate::common::{Client, Dispatcher, HANDSHAKE, World, request};
use crate::harness::each;

#[tokio::test]
async fn row_40_an_upstream_that_resets_is_a_502() {
    let upstream = RawUpstream::start(|stream, _, _| async move {
        stream.set_zero_linger().expect("a TCP socket");
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let start = Instant::now();
    for head in ["GET /x", "POST /x\nContent-Length: 0"] {
        assert_eq!(request(dispatcher.addr, head).await.status, 502);
    }
    let upgrade = request(dispatcher.addr, &format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(upgrade.status, 502);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn row_45_there_is_one_100_and_no_more() {
    for (asks, most) in [("\nExpect: 100-continue", 1), ("", 1)] {
        let upstream = RawUpstream::sending(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        client
            .send_head(&format!("POST /x\nContent-Length: 3{asks}"))
            .await;
        client.send(b"abc").await;
        let response = client.response(false).await;
        assert_eq!((response.status, &*response.text()), (200, "ok"));
        let continues = response
            .interim
            .iter()
            .filter(|interim| interim.status == 100);
        assert!(continues.count() <= most, "{:?}", response.interim);
    }
}

#[tokio::test]
async fn row_47_what_is_no_clean_answer_is_a_502_on_a_connection_not_used_again() {
    let long = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X-A: 1234567\r\n".repeat(80_000)
    );
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        long.leak(),
    ];
    each(cases, |said| async move {
        // It keeps the connection open and would serve more requests on it.
        let upstream = RawUpstream::start(move |mut stream, mut head, _| async move {
            while !head.is_empty() && stream.write_all(said.as_bytes()).await.is_ok() {
                head = read_head(&mut stream).await;
            }
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        for number in 1..=2 {
            let response = request(dispatcher.addr, "GET /x").await;
            assert_eq!(response.status, 502, "{said:.80}");
            assert_eq!(upstream.connections(), number, "{said:.80}");
        }
    })
    .await;
}

#[tokio::test]
async fn row_48_connection_close_is_heard() {
    let world = World::start().await;
    for head in [
        "GET /standin/1k\nConnection: close",
        "GET /healthz\nConnection: close",
    ] {
        let mut client = Client::connect(world.addr()).await;
        assert_eq!(client.exchange(head).await.status, 200);
        let end = tokio::time::timeout(Duration::from_secs(3), client.rest()).await;
        assert_eq!(end.expect("closed"), b"", "{head}");
    }
}
