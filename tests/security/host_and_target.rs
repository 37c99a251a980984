//! `Host`, absolute targets, CONNECT, TRACE and `*`: rows 10 to 12.

use crate::common::{Client, World};
use crate::harness::{assert_ends, assert_untouched, each, refused, seen_last, shown};

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
        assert_eq!(client.response(false).await.status, 200, "{host}");
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
    ] {
        let world = World::start().await;
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET {target} HTTP/1.1\r\nHost: t3.test\r\n\r\n");
        client.send(head.as_bytes()).await;
        assert_eq!(client.response(false).await.status, 200, "{target}");
        assert_eq!(seen_last(&world, "host"), [host], "{target}");
        let arrived = world.asked().pop().expect("a request").target;
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
        let response = client.response(false).await;
        assert!(
            matches!(response.status, 400 | 405 | 501),
            "{line}: {}",
            response.status
        );
        if response.status == 405 {
            assert!(response.header("allow").starts_with("GET, HEAD, POST"));
        }
        assert_untouched(&world, line);
        if !line.starts_with("TRACE") {
            assert_ends(&mut client, line).await;
        }
    })
    .await;
}
