//! The size of a request head: row 18.

use std::time::{Duration, Instant};

use crate::common::{Client, PAGE, World, request};
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
