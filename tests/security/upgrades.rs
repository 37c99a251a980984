//! Upgrades: refused ones, other protocols, early bytes, large frames: rows 19 to 22 and 26.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::common::raw_upstream::{RawUpstream, read_head, read_until_closed};
use crate::common::{Client, Dispatcher, HANDSHAKE, PATIENCE, World};
use crate::harness::{assert_ends, assert_untouched, each, load, refused, seen_last, shown};

pub(crate) const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn row_19_any_other_answer_than_101_is_no_tunnel() {
    each([200, 403, 500], |status| async move {
        let upstream = RawUpstream::start(move |mut stream, mut head, _| async move {
            // It would serve more requests on this connection.
            while !head.is_empty() {
                let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nno");
                let _ = stream.write_all(response.as_bytes()).await;
                head = read_head(&mut stream).await;
            }
        })
        .await;
        let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        for number in 1..=2 {
            let response = client.exchange(&format!("GET /ws\n{HANDSHAKE}")).await;
            assert_eq!((response.status, response.text().as_str()), (status, "no"));
            assert_eq!(response.header("upgrade"), "");
            assert_eq!(upstream.connections(), number, "not used again");
        }
        assert_eq!(client.exchange("GET /x").await.status, status);
        assert_eq!(upstream.connections(), 3, "not used again");
    })
    .await;
}

#[tokio::test]
async fn row_20_bytes_behind_the_request_stay_here_until_the_101() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = RawUpstream::start(move |mut stream, head, _| {
        let tell = tell.clone();
        async move {
            let mut early = [0; 64];
            let read = stream.read(&mut early);
            let early = tokio::time::timeout(Duration::from_millis(300), read).await;
            let _ = tell.send((head.ends_with(b"\r\n\r\n"), early.is_err()));
            let _ = stream
                .write_all(b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n")
                .await;
            read_until_closed(&mut stream).await;
        }
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    let head = HANDSHAKE.replace('\n', "\r\n");
    let head = format!("GET /ws HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n\x01early bytes");
    client.send(head.as_bytes()).await;
    assert_eq!(client.response(false).await.status, 403);
    assert_eq!(
        told.recv().await,
        Some((true, true)),
        "nothing behind the head"
    );
}

#[tokio::test]
async fn row_22_other_upgrades_are_taken_off_and_the_request_is_served() {
    let upgrades = [
        "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\nUpgrade: TLS/1.0, HTTP/1.1",
        "Upgrade: websocket",
        "Connection: keep-alive\nUpgrade: h2c",
        "Connection: Upgrade\nUpgrade: websocketx",
    ];
    each(upgrades, |fields| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let response = client
            .exchange(&format!("GET /standin/head\n{fields}"))
            .await;
        assert_eq!(response.status, 200, "{fields}");
        for name in ["upgrade", "http2-settings"] {
            assert_eq!(seen_last(&world, name), [""; 0], "{fields}");
            assert_eq!(response.header(name), "", "{fields}");
        }
        assert_eq!(client.exchange("GET /standin/1k").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn row_22_an_http_2_preface_is_refused() {
    let world = World::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    refused(world.addr(), preface, &[400, 505]).await;
    assert_untouched(&world, "a preface");
}

/// t3 accepts frames of 100 MiB (contract §5), and so must the dispatcher.
#[tokio::test]
async fn row_26_a_frame_of_a_hundred_mebibytes_goes_through() {
    const LENGTH: usize = 100 << 20;
    // 251 is prime, so that no block size hides a shift.
    let block: Vec<u8> = (0..251).cycle().take(251 << 9).collect();
    let pattern = block.clone();
    let mut header = vec![0x82, 0xff];
    header.extend((LENGTH as u64).to_be_bytes());
    header.extend([1, 2, 3, 4]);
    let expected = header.clone();
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = RawUpstream::start(move |mut stream, head, _| {
        let (tell, pattern, expected) = (tell.clone(), pattern.clone(), expected.clone());
        async move {
            drop(head);
            let _ = stream.write_all(SWITCHED).await;
            let mut header = vec![0; expected.len()];
            let _ = stream.read_exact(&mut header).await;
            let (mut count, mut is_same) = (0, header == expected);
            let mut chunk = vec![0; 1 << 16];
            while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                let from = count % 251;
                is_same &= chunk[..read] == pattern[from..from + read];
                count += read;
            }
            let _ = tell.send((count, is_same));
        }
    })
    .await;
    let dispatcher = Dispatcher::in_front_of(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    client.send(&header).await;
    let mut left = LENGTH;
    while left > 0 {
        let part = left.min(block.len());
        client.send(&block[..part]).await;
        left -= part;
    }
    client.stream.shutdown().await.expect("open");
    let arrived = tokio::time::timeout(PATIENCE, told.recv()).await;
    assert_eq!(arrived.expect("in time"), Some((LENGTH, true)));
}

#[tokio::test]
async fn a_page_load_is_paired_and_connection_close_honoured() {
    let world = World::start().await;
    assert_eq!(load(world.addr(), "").await.status, 302);
    let mut client = Client::connect(world.addr()).await;
    client
        .send(b"GET /standin/1k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.response(false).await.status, 200);
    assert_ends(&mut client, &shown(b"Connection: close")).await;
}
