//! The size of a head: rows 18 and 55.

use std::time::{Duration, Instant};

use crate::common::raw_upstream::{RawUpstream, target_of};
use crate::common::{Client, Dispatcher, PAGE, World, request};
use crate::harness::{assert_ends, assert_untouched, each};

#[tokio::test]
async fn row_18_heads_that_are_too_long() {
    let many = "X-A: 1\r\n".repeat(2000);
    let one = format!("X-A: {}\r\n", "x".repeat(400 << 10));
    let more = format!("X-A: {}\r\n", "x".repeat(4 << 10)).repeat(100);
    let target = "a".repeat((64 << 10) + 10);
    let cases = [
        ("/".to_owned(), many),
        ("/".to_owned(), one),
        ("/".to_owned(), more),
        (format!("/{target}"), String::new()),
    ];
    each(cases, |(target, fields)| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let start = Instant::now();
        let head = format!("GET {target} HTTP/1.1\r\nHost: t3.test\r\n{fields}\r\n");
        // The connection may be closed before all is sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, head.as_bytes()).await;
        let status = client.response(false).await.status;
        assert!(matches!(status, 414 | 431), "{status}");
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        if target == "/" {
            assert_ends(&mut client, "a long head").await;
        }
        assert_untouched(&world, "a long head");
    })
    .await;
}

#[tokio::test]
async fn row_18_the_limit_of_a_head_is_an_option() {
    let world = World::with(&["--header-limit", "9000"]).await;
    let with = |bytes: usize| format!("GET /standin/1k\nX-A: {}", "x".repeat(bytes));
    assert_eq!(request(world.addr(), &with(8000)).await.status, 200);
    let mut client = Client::connect(world.addr()).await;
    assert_eq!(client.exchange(&with(10_000)).await.status, 431);
    assert_ends(&mut client, "10,000 bytes").await;
    assert_eq!(world.asked().len(), 1);
}

/// The default is 128 KiB, as single sign-on's cookies can be large.
#[tokio::test]
async fn row_18_a_hundred_kibibytes_are_no_reason_to_refuse() {
    let world = World::start().await;
    let lines = "Cookie: authentik_x=".to_owned() + &"x".repeat(10_000) + "\n";
    let response = request(
        world.addr(),
        &format!("GET /t/1\n{}{PAGE}", lines.repeat(10)),
    )
    .await;
    assert_eq!(response.status, 302);
}

/// What a head has, and what a response says where that is too much: both ways through, and both ways of
/// the hop.
#[tokio::test]
async fn row_55_one_limit_for_both_directions_and_it_is_named() {
    let long = |bytes: usize| format!("X-A: {}\r\n", "x".repeat(bytes));
    let cases = [
        ("x".to_owned(), "X-A: 1\r\n".repeat(200), None),
        ("a".to_owned(), long(120_000), None),
        ("a".repeat(64_000), String::new(), None),
        (
            "a".to_owned(),
            "X-A: 1\r\n".repeat(300),
            Some((431, "256 fields")),
        ),
        (
            "a".to_owned(),
            long(140_000),
            Some((431, "DISPATCHER_HEADER_LIMIT")),
        ),
        (
            "a".repeat(65_534),
            String::new(),
            Some((414, "65533 bytes")),
        ),
    ];
    each(cases, |(target, fields, refused)| async move {
        for (way, method) in [("on", "GET"), ("off", "GET"), ("on", "HEAD")] {
            let world = World::with(&["--fast-path", way]).await;
            let mut client = Client::connect(world.addr()).await;
            let head = format!("{method} /api/{target} HTTP/1.1\r\nHost: t3.test\r\n{fields}\r\n");
            // The connection may be closed before all is sent.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, head.as_bytes()).await;
            let response = client.response(method == "HEAD").await;
            let (status, text) = (response.status, response.text());
            let of = format!("{way} {method} {:.30} {:.30}", target, fields);
            match refused {
                // The stand-in, like t3, takes no long head.
                None if target.len() + fields.len() > 10_000 => {
                    assert_eq!((status, text.as_str()), (431, ""), "{of}");
                }
                None => assert_eq!(status, 200, "{of}"),
                Some((expected, _)) if method == "HEAD" => {
                    assert_eq!((status, text.as_str()), (expected, ""), "{of}");
                }
                Some((expected, limit)) => {
                    assert_eq!(status, expected, "{of}");
                    assert!(text.contains(limit), "{text} to {of}");
                }
            }
            if refused.is_some() {
                assert_eq!(response.all("date").len(), 1, "{of}");
                assert_eq!(response.header("connection"), "close", "{of}");
                assert!(!response.header("x-request-id").is_empty(), "{of}");
                assert_ends(&mut client, &of).await;
                assert_untouched(&world, &of);
            }
        }
    })
    .await;
}

/// The limits of a response's head are those of a request's.
#[tokio::test]
async fn row_55_the_option_is_of_both_directions() {
    let upstream = RawUpstream::start(|mut stream, head, _| async move {
        let bytes = target_of(&head)["/api/".len()..].parse::<usize>();
        let field = "x".repeat(bytes.expect("a number"));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: {field}\r\n\r\n");
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
    })
    .await;
    for way in ["on", "off"] {
        for (limit, bytes, expected) in [
            ("9000", 8000, 200),
            ("9000", 20_000, 502),
            ("200000", 150_000, 200),
            ("200000", 250_000, 502),
        ] {
            let options = ["--fast-path", way, "--header-limit", limit];
            let dispatcher = Dispatcher::in_front_of(upstream.addr, &options).await;
            let _ = request(dispatcher.addr, "GET /api/1").await;
            let response = request(dispatcher.addr, &format!("GET /api/{bytes}")).await;
            assert_eq!(response.status, expected, "{way} {limit} {bytes}");
        }
    }
}
