//! What asks for another protocol: rows 19 to 27.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::common::scripted::{Scripted, drain, read_head};
use crate::common::{Client, PAGE, PATIENCE, World, request};
use crate::harness::{
    HANDSHAKE, assert_ends, assert_untouched, before, each, load, refused, seen_last, shown,
};

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn row_19_any_other_answer_than_101_is_no_tunnel() {
    each([200, 403, 500], |status| async move {
        let upstream = Scripted::start(move |mut stream, _| async move {
            // It would go on with this connection, were it asked on it again.
            while !read_head(&mut stream).await.is_empty() {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nno");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let dispatcher = before(upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        for number in 1..=2 {
            let answer = client.exchange(&format!("GET /ws\n{HANDSHAKE}")).await;
            assert_eq!((answer.status, answer.text().as_str()), (status, "no"));
            assert_eq!(answer.header("upgrade"), "");
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
    let upstream = Scripted::start(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            let head = read_head(&mut stream).await;
            let mut early = [0; 64];
            let read = stream.read(&mut early);
            let early = tokio::time::timeout(Duration::from_millis(300), read).await;
            let _ = tell.send((head.ends_with(b"\r\n\r\n"), early.is_err()));
            let _ = stream
                .write_all(b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n")
                .await;
            drain(&mut stream).await;
        }
    })
    .await;
    let dispatcher = before(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    let head = HANDSHAKE.replace('\n', "\r\n");
    let head = format!("GET /ws HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n\x01early bytes");
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer(false).await.status, 403);
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
        let answer = client
            .exchange(&format!("GET /standin/head\n{fields}"))
            .await;
        assert_eq!(answer.status, 200, "{fields}");
        for name in ["upgrade", "http2-settings"] {
            assert_eq!(seen_last(&world, name), [""; 0], "{fields}");
            assert_eq!(answer.header(name), "", "{fields}");
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

#[tokio::test]
async fn row_23_a_bad_handshake_never_reaches_t3() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let version = "Sec-WebSocket-Version: 13";
    let cases = [
        ("POST", format!("{version}\n{key}\nContent-Length: 0")),
        (
            "POST",
            format!("{version}\n{key}\nContent-Length: 4\n\nbody"),
        ),
        ("HEAD", format!("{version}\n{key}")),
        ("GET", key.to_owned()),
        ("GET", format!("Sec-WebSocket-Version: 12\n{key}")),
        ("GET", format!("Sec-WebSocket-Version: 8\n{key}")),
        ("GET", format!("Sec-WebSocket-Version: 13, 8\n{key}")),
        ("GET", format!("{version}\n{version}\n{key}")),
        ("GET", format!("Sec-WebSocket-Version:\n{key}")),
        ("GET", version.to_owned()),
        ("GET", format!("{version}\nSec-WebSocket-Key:")),
        ("GET", format!("{version}\nSec-WebSocket-Key: short==")),
        (
            "GET",
            format!("{version}\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="),
        ),
        (
            "GET",
            format!("{version}\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA="),
        ),
        (
            "GET",
            format!("{version}\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ==="),
        ),
        (
            "GET",
            format!("{version}\nSec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ=="),
        ),
        ("GET", format!("{version}\n{key}\n{key}")),
        (
            "GET",
            format!("Connection: Sec-WebSocket-Key\n{version}\n{key}"),
        ),
        (
            "GET",
            format!("Connection: Sec-WebSocket-Version\n{version}\n{key}"),
        ),
        ("GET", format!("{version}\n{key}\nContent-Length: 5")),
        (
            "GET",
            format!("{version}\n{key}\nTransfer-Encoding: chunked"),
        ),
    ];
    each(cases, |(method, fields)| async move {
        let world = World::start().await;
        let session = world.standin.issue_browser_session("test").expect("writable");
        let mut client = Client::connect(world.addr()).await;
        let (fields, body) = fields.split_once("\n\n").unwrap_or((&fields, ""));
        let head = format!(
            "{method} /ws\nConnection: Upgrade\nUpgrade: websocket\n{fields}\nCookie: t3_session={session}"
        );
        client.send_head(&head).await;
        client.send(body.as_bytes()).await;
        let answer = client.answer(method == "HEAD").await;
        assert!(matches!(answer.status, 400 | 426), "{} to {fields}", answer.status);
        if answer.status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), "13");
        }
        assert_untouched(&world, fields);
        assert!(!world.standin.is_wedged(), "{fields}");
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
    let status = client.answer(false).await.status;
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
        let answer = client.head().await.expect("an answer");
        assert_ne!(answer.status, 302, "{target}");
        assert_eq!(answer.header("set-cookie"), "", "{target}");
        assert_eq!(world.cli_starts(), 0, "{target}");
    })
    .await;
}

const FOREIGN: [&str; 9] = [
    "Origin: https://evil.test",
    "Origin: http://evil.test",
    "Origin: null",
    "Origin: https://t3.test.evil.test",
    "Origin: https://evil-t3.test",
    "Origin: https://t3.test@evil.test",
    "Origin: https://t3.test:444",
    "Origin:",
    "Origin: https://t3.test\nOrigin: https://evil.test",
];

#[tokio::test]
async fn row_25_a_foreign_origin_is_refused_behind_single_sign_on() {
    each(FOREIGN, |origin| async move {
        let world = World::with(&["--identity-header", "X-authentik-username"]).await;
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        let head = format!(
            "GET /ws\n{HANDSHAKE}\n{origin}\nX-authentik-username: ada\n\
             X-Forwarded-Proto: https\nCookie: t3_session={session}"
        );
        let answer = request(world.addr(), &head).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert_untouched(&world, origin);
    })
    .await;
}

#[tokio::test]
async fn row_25_its_own_origin_and_none_are_let_through() {
    let fields = [
        "Origin: https://t3.test\nX-Forwarded-Proto: https\n",
        "Origin: HTTPS://T3.test\nX-Forwarded-Proto: https\n",
        "Origin: https://t3.test:443\nX-Forwarded-Proto: https\n",
        "Origin: http://t3.test\n",
        "",
    ];
    each(fields, |fields| async move {
        let world = World::with(&["--identity-header", "X-authentik-username"]).await;
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        let head = format!(
            "GET /ws\n{fields}X-authentik-username: ada\nCookie: t3_session={session}\n{HANDSHAKE}"
        );
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&head).await;
        assert_eq!(
            client.head().await.expect("an answer").status,
            101,
            "{fields}"
        );
    })
    .await;
}

#[tokio::test]
async fn row_25_no_session_is_made_for_a_foreign_origin() {
    for options in [&[][..], &["--identity-header", "X-authentik-username"]] {
        let world = World::with(options).await;
        for cookie in ["", "Cookie: t3_session=stale\n"] {
            let head = format!(
                "GET /ws\n{PAGE}\n{cookie}Origin: https://evil.test\n\
                 Sec-Fetch-Site: cross-site\nX-authentik-username: ada\n{HANDSHAKE}"
            );
            let answer = request(world.addr(), &head).await;
            assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
            assert_eq!(answer.header("set-cookie"), "");
        }
        assert_eq!(world.cli_starts(), 0);
        assert!(world.standin.sessions().is_empty());
    }
}

/// t3 takes frames of 100 MiB (contract §5); nothing on the way may be of another opinion.
#[tokio::test]
async fn row_26_a_frame_of_a_hundred_mebibytes_goes_through() {
    const LENGTH: usize = 100 << 20;
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Scripted::start(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(SWITCHED).await;
            let (mut count, mut sum) = (0, 0_u64);
            let mut chunk = vec![0; 1 << 16];
            while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                sum = chunk[..read].iter().fold(sum, |sum, byte| {
                    sum.wrapping_mul(31).wrapping_add((*byte).into())
                });
                count += read;
            }
            let _ = tell.send((count, sum));
        }
    })
    .await;
    let dispatcher = before(upstream.addr, &[]).await;
    let mut client = Client::connect(dispatcher.addr).await;
    client.send_head(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(client.head().await.expect("an answer").status, 101);
    let mut frame = vec![0x82, 0xff];
    frame.extend((LENGTH as u64).to_be_bytes());
    frame.extend([1, 2, 3, 4]);
    frame.extend((0..LENGTH).map(|n| (n % 251) as u8));
    let sum = frame.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add((*byte).into())
    });
    client.send(&frame).await;
    client.stream.shutdown().await.expect("open");
    let arrived = tokio::time::timeout(PATIENCE, told.recv()).await;
    assert_eq!(arrived.expect("in time"), Some((frame.len(), sum)));
}

#[tokio::test]
async fn a_page_load_still_pairs_beside_all_this() {
    let world = World::start().await;
    assert_eq!(load(world.addr(), "").await.status, 302);
    let mut client = Client::connect(world.addr()).await;
    client
        .send(b"GET /standin/1k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status, 200);
    assert_ends(&mut client, &shown(b"Connection: close")).await;
}
