//! Targets and heads, odd or long: rows 17 and 18.

use std::time::{Duration, Instant};

use crate::common::{Client, Dispatcher, PAGE, World, request};
use crate::harness::{assert_ends, assert_untouched, each, shown};
use crate::recorder::Recorder;

#[tokio::test]
async fn row_17_the_target_s_bytes_go_on_or_are_refused() {
    let targets: [&[u8]; 21] = [
        b"/a#b",
        b"/#",
        b"/a?b#c",
        b"/a%00b",
        b"/%",
        b"/%zz",
        b"//a",
        b"//a//b",
        b"/a/../b",
        b"/../a",
        b"/./a",
        b"/a/%2e%2e/b",
        b"/a%2fb",
        b"/a\\b",
        b"/\xc3\xa9",
        b"/\xff",
        b"/a?\xc3\xa9",
        b"/a|b{c}^d`e\"<f>",
        b"/a;b=c,d'e(f)*!$&+",
        b"/a?b?c/d//e",
        b"/?",
    ];
    each(targets, |target| async move {
        let recorder = Recorder::start().await;
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
        let mut client = Client::connect(dispatcher.addr).await;
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: t3.test\r\n\r\n"].concat();
        client.send(&head).await;
        let status = client.answer(false).await.status;
        let brought = recorder.connections().concat();
        if status == 400 {
            assert_ends(&mut client, &shown(target)).await;
            assert_eq!(shown(&brought), "");
            return;
        }
        assert_eq!(status, 200, "{}", shown(target));
        let expected = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
        assert!(
            brought.starts_with(&expected),
            "{} arrives as {}",
            shown(target),
            shown(&brought)
        );
    })
    .await;
}

#[tokio::test]
async fn row_17_own_paths_match_exactly() {
    for target in [
        "/healthz%20",
        "/%68ealthz",
        "/healthz;x",
        "/./healthz",
        "/x/../healthz",
        "/healthz%00",
    ] {
        let recorder = Recorder::start().await;
        let dispatcher = Dispatcher::in_front_of(recorder.upstream.addr, &[]).await;
        let answer = request(dispatcher.addr, &format!("GET {target}")).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(recorder.upstream.connections(), 1, "{target} is t3's");
    }
}

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
        // Whoever refuses it need not read it all.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, head.as_bytes()).await;
        let status = client.answer(false).await.status;
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

/// 128 KiB by default: single sign-on's cookies take a good part of it.
#[tokio::test]
async fn row_18_a_hundred_kibibytes_are_no_reason_to_refuse() {
    let world = World::start().await;
    let lines = "Cookie: authentik_x=".to_owned() + &"x".repeat(10_000) + "\n";
    let answer = request(
        world.addr(),
        &format!("GET /t/1\n{}{PAGE}", lines.repeat(10)),
    )
    .await;
    assert_eq!(answer.status, 302);
}
