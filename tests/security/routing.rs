//! Where a request goes and with which fields: rows 10 to 18.

use std::time::{Duration, Instant};

use crate::common::{Client, PAGE, World, request};
use crate::harness::{
    Recorder, assert_ends, assert_untouched, before, each, load, refused, seen_last, shown,
};

#[tokio::test]
async fn row_10_host_missing_repeated_empty_or_invalid() {
    let hosts = [
        "",
        "Host: t3.test\r\nHost: t3.test\r\n",
        "Host: t3.test\r\nHost: evil.test\r\n",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: t3.test, evil.test\r\n",
        "Host: t3.test/evil\r\n",
        "Host: t3.test?evil\r\n",
        "Host: t3.test#evil\r\n",
        "Host: http://t3.test\r\n",
        "Host: user@t3.test\r\n",
        "Host: t3.test:port\r\n",
        "Host: t3.test:99999\r\n",
        "Host: t3.test:-1\r\n",
        "Host: [::1\r\n",
        "Host: \u{e9}.test\r\n",
        "Host: t3.test\\evil\r\n",
        "Host: \"t3.test\"\r\n",
    ];
    let targets = ["/standin/head", "/healthz", "http://t3.test/standin/head"];
    let cases = hosts
        .iter()
        .flat_map(|host| targets.map(|target| (target, *host)));
    each(cases, |(target, host)| async move {
        let world = World::start().await;
        let head = format!("GET {target} HTTP/1.1\r\n{host}\r\n");
        refused(world.addr(), head.as_bytes(), &[400]).await;
        assert_untouched(&world, &shown(head.as_bytes()));
    })
    .await;
}

#[tokio::test]
async fn row_10_hosts_that_are_fine() {
    let hosts = [
        "t3.test:8080",
        "10.1.2.3:8080",
        "[::1]:8080",
        "[::1]",
        "T3_x.test",
        "t3.test.",
    ];
    each(hosts, |host| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /standin/head HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.send(head.as_bytes()).await;
        assert_eq!(client.answer(false).await.status, 200, "{host}");
        assert_eq!(seen_last(&world, "host"), [host]);
    })
    .await;
}

#[tokio::test]
async fn row_11_the_authority_of_an_absolute_target_wins() {
    for (target, host, seen) in [
        (
            "http://other.test/standin/head?q",
            "other.test",
            "/standin/head?q",
        ),
        (
            "http://other.test:81/standin/head",
            "other.test:81",
            "/standin/head",
        ),
        ("http://other.test?q", "other.test", "/?q"),
    ] {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET {target} HTTP/1.1\r\nHost: t3.test\r\n\r\n");
        client.send(head.as_bytes()).await;
        assert_eq!(client.answer(false).await.status, 200, "{target}");
        assert_eq!(seen_last(&world, "host"), [host], "{target}");
        let arrived = world.standin.requests().pop().expect("a request").target;
        assert_eq!(shown(&arrived), seen);
    }
    let world = World::start().await;
    let head = b"GET http://user@other.test/standin/head HTTP/1.1\r\nHost: other.test\r\n\r\n";
    refused(world.addr(), head, &[400]).await;
    assert_untouched(&world, "userinfo");
}

#[tokio::test]
async fn row_12_connect_trace_and_the_asterisk() {
    let lines = [
        "CONNECT t3.test:443",
        "CONNECT /standin/ws-raw",
        "CONNECT http://t3.test/",
        "TRACE /standin/head",
        "GET *",
        "POST *",
        "GET t3.test:443",
    ];
    each(lines, |line| async move {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("{line} HTTP/1.1\r\nHost: t3.test\r\n\r\n");
        client.send(head.as_bytes()).await;
        let answer = client.answer(false).await;
        assert!(
            matches!(answer.status, 400 | 405 | 501),
            "{line}: {}",
            answer.status
        );
        assert_untouched(&world, line);
        if !line.starts_with("TRACE") {
            assert_ends(&mut client, line).await;
        }
    })
    .await;
}

#[tokio::test]
async fn row_13_what_the_dispatcher_sets_cannot_be_nominated_away() {
    let world = World::start().await;
    let nominated = "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Host, \
        Content-Length, X-Real-IP\nX-Forwarded-For: 203.0.113.99";
    let answer = request(world.addr(), &format!("GET /standin/head\n{nominated}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(seen_last(&world, "host"), ["t3.test"]);
    assert_eq!(seen_last(&world, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen_last(&world, "x-forwarded-proto"), ["http"]);
    assert_eq!(seen_last(&world, "x-forwarded-host"), ["t3.test"]);
}

/// What is taken off was not there when the session was looked for, and the other way round.
#[tokio::test]
async fn row_13_a_session_is_judged_on_what_is_forwarded() {
    for field in ["Cookie: t3_session=x", "Authorization: Bearer x"] {
        let world = World::start().await;
        let name = field.split(':').next().unwrap_or_default();
        let answer = load(world.addr(), &format!("Connection: {name}\n{field}\n")).await;
        match answer.status {
            302 => assert_eq!(world.cli_starts(), 1),
            200 => assert_eq!(seen_last(&world, name).len(), 1, "{name} was not looked at"),
            other => panic!("{other} to a nominated {name}"),
        }
    }
}

#[tokio::test]
async fn row_14_fields_of_a_proxy_s_hop() {
    let world = World::start().await;
    let fields = "Proxy-Connection: keep-alive\nProxy-Authorization: Basic eA==\n\
        Proxy-Authenticate: Basic\nProxy-Authentication-Info: x\nKeep-Alive: timeout=9\n\
        TE: gzip\nUpgrade: h2c\nX-Kept: yes";
    let answer = request(world.addr(), &format!("GET /standin/hop\n{fields}")).await;
    assert_eq!(answer.header("x-kept"), "yes");
    let gone = |name: &str| {
        name.starts_with("proxy-")
            || matches!(
                name,
                "keep-alive" | "te" | "upgrade" | "x-hop-one" | "x-hop-two"
            )
    };
    let back: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
    assert!(!back.iter().any(|name| gone(name)), "{back:?}");
    let seen = world.standin.requests().pop().expect("a request");
    let there: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    assert!(!there.iter().any(|name| gone(name)), "{there:?}");
    assert_eq!(seen_last(&world, "x-kept"), ["yes"]);
}

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
        let dispatcher = before(recorder.upstream.addr, &[]).await;
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
        let dispatcher = before(recorder.upstream.addr, &[]).await;
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
    assert_eq!(world.standin.requests().len(), 1);
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
