//! How a client's connection goes on and ends: pipelined, idle, taken slowly, broken off by t3. On both ways through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::{Client, Dispatcher, PATIENCE, World, request};

/// Both ways through.
const WAYS: [[&str; 2]; 2] = [["--fast-path", "on"], ["--fast-path", "off"]];

#[tokio::test]
async fn all_that_is_pipelined_has_its_response_whoever_reads_it() {
    const REQUESTS: usize = 400;
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    // Longer ones leave room for much that comes at once.
    for _ in 0..4 {
        let response = client.exchange("GET /api/standin/bytes/20000").await;
        assert_eq!(response.body.len(), 20_000);
    }
    let padding = "x".repeat(60);
    let one = format!("GET /healthz HTTP/1.1\r\nHost: h\r\nX-Padding: {padding}\r\n\r\n");
    client.send(one.repeat(REQUESTS).as_bytes()).await;
    for number in 0..REQUESTS {
        assert_eq!(client.response(false).await.status, 200, "{number}");
    }
    assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
}

#[tokio::test]
async fn who_takes_a_response_slowly_is_not_idle() {
    const LENGTH: usize = 400_000;
    for way in WAYS {
        let idle = ["--idle-timeout", "1s"];
        let world = World::with(&[way, idle].concat()).await;
        assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let stream = socket.connect(world.addr()).await.expect("a listener");
        let mut client = Client::over(stream);
        client
            .send_head(&format!("GET /standin/bytes/{LENGTH}"))
            .await;
        assert_eq!(client.head().await.expect("a response").status, 200);
        let (mut taken, start) = (client.read_at_least(1).await.len(), Instant::now());
        while taken < LENGTH {
            let mut piece = [0; 10_000];
            let count = timeout(PATIENCE, client.stream.read(&mut piece)).await;
            let count = count.expect("bytes in time").expect("no reset");
            assert!(count > 0, "{way:?}: {taken} bytes, then the end");
            taken += count;
            // Over four seconds for all of it.
            sleep(Duration::from_micros(10 * count as u64)).await;
        }
        let took = start.elapsed();
        assert!(took > Duration::from_secs(3), "{way:?}: {took:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_ends_without_a_reset() {
    for way in WAYS {
        let world = World::with(&[way, ["--idle-timeout", "1s"]].concat()).await;
        let mut client = Client::connect(world.addr()).await;
        assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
        let end = timeout(PATIENCE, client.stream.read(&mut [0])).await;
        assert_eq!(end.expect("an end in time").ok(), Some(0), "{way:?}");
    }
}

/// Only the end of the connection ends such a response, and an error is no end (RFC 9112 §8).
#[tokio::test]
async fn a_response_that_t3_breaks_off_is_not_taken_for_a_whole_one() {
    for way in WAYS {
        let taken = Arc::new(Notify::new());
        let is_taken = Arc::clone(&taken);
        let upstream = RawUpstream::start(move |mut stream, _, number| {
            let taken = Arc::clone(&is_taken);
            async move {
                if number == 0 {
                    let healthy = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                    let _ = stream.write_all(healthy).await;
                    return read_until_closed(&mut stream).await;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await;
                taken.notified().await;
                stream.set_zero_linger().expect("a socket");
            }
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &way).await;
        assert_eq!(request(dispatcher.addr, "GET /api/x").await.status, 204);
        let mut client = Client::connect(dispatcher.addr).await;
        client.send_head("GET /api/x").await;
        let head = client.head().await.expect("a response");
        let mut body = client.read_at_least(1).await;
        while !body.windows(4).any(|part| part == b"half") {
            body.extend(client.read_at_least(1).await);
        }
        taken.notify_one();
        let ended = timeout(PATIENCE, client.stream.read_to_end(&mut body)).await;
        let is_chunked = !head.header("transfer-encoding").is_empty();
        match ended.expect("an end in time") {
            Ok(_) => assert!(is_chunked && !body.ends_with(b"0\r\n\r\n"), "{way:?}"),
            Err(_reset) => {}
        }
    }
}

/// Where the next request begins is not known (RFC 9112 §9.3): it might be one that is refused.
#[tokio::test]
async fn behind_a_body_that_nobody_reads_is_no_request() {
    for way in WAYS {
        let world = World::with(&way).await;
        for head in ["GET /healthz", "GET /readyz"] {
            let mut client = Client::connect(world.addr()).await;
            client
                .send_head(&format!("{head}\nContent-Length: 5"))
                .await;
            client.send(b"hello").await;
            let response = client.response(false).await;
            assert_eq!(response.header("connection"), "close", "{way:?} {head}");
            let _ = client
                .stream
                .write_all(b"GET /api/x#y HTTP/1.1\r\nHost: h\r\n\r\n")
                .await;
            assert_eq!(client.rest().await, b"", "{way:?} {head}");
        }
        assert!(
            !world
                .asked()
                .iter()
                .any(|seen| seen.target.starts_with(b"/api/x"))
        );
    }
}
