//! WebSocket upgrades from another origin: row 25.

use rustix::process::Signal;

use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{ADA, HEADER, assert_untouched, each, seen_last};

const FOREIGN: [&str; 9] = [
    "Origin: https://evil.test",
    "Origin: http://evil.test",
    "Origin: null",
    "Origin: https://t3.localhost.evil.test",
    "Origin: https://evil-t3.localhost",
    "Origin: https://t3.localhost@evil.test",
    "Origin: https://t3.localhost:444",
    "Origin:",
    "Origin: https://t3.localhost\nOrigin: https://evil.test",
];

#[tokio::test]
async fn row_25_a_foreign_origin_is_refused() {
    let options = [&[][..], &HEADER];
    let cases = FOREIGN
        .iter()
        .flat_map(|origin| options.map(|options| (*origin, options)));
    each(cases, |(origin, options)| async move {
        let world = World::with(options).await;
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        for query in ["", "?wsTicket=", "?wsTicket", "?x=wsTicket=1", "?wsToken=x"] {
            let head = format!(
                "GET /ws{query}\n{HANDSHAKE}\n{origin}\nX-authentik-username: ada\n\
                 X-Forwarded-Proto: https\nCookie: t3_session={session}"
            );
            let response = request(world.addr(), &head).await;
            assert_eq!(response.status, 403, "{origin} {query}");
            assert_untouched(&world, origin);
        }
    })
    .await;
}

/// Desktop and hosted clients have an origin of their own, and bring what no other site has.
#[tokio::test]
async fn row_25_explicit_credentials_of_another_origin_go_to_t3_without_the_cookie() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        let issue = |name| world.standin.issue_browser_session(name).expect("writable");
        let admin = world.standin.issue_administrative_session("native");
        let bearer = format!("Authorization: Bearer {}\n", admin.expect("writable"));
        let head = format!("POST /api/auth/websocket-ticket\n{bearer}Content-Length: 0");
        let ticket = request(world.standin.addr(), &head).await.json();
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        for (target, credential) in [
            ("/ws".to_owned(), &*bearer),
            (format!("/ws?wsTicket={ticket}"), ""),
        ] {
            world.standin.clear_requests();
            let head = format!(
                "GET {target}\nOrigin: t3code://app\nSec-Fetch-Site: cross-site\n{credential}\
                 Cookie: a=1; t3_session={}\nX-authentik-username: ada\n{HANDSHAKE}",
                issue("own")
            );
            let mut client = Client::connect(world.addr()).await;
            client.send_head(&head).await;
            let response = client.head().await.expect("a response");
            assert_eq!(response.status, 101, "{target}");
            assert_eq!(seen_last(&world, "cookie"), ["a=1"], "{target}");
        }
    }
}

#[tokio::test]
async fn row_25_its_own_origin_and_none_are_let_through() {
    let fields = [
        "Origin: https://t3.localhost\nX-Forwarded-Proto: https\n",
        "Origin: HTTPS://T3.localhost\nX-Forwarded-Proto: https\n",
        "Origin: https://t3.localhost:443\nX-Forwarded-Proto: https\n",
        "Origin: http://t3.localhost\n",
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
            client.head().await.expect("a response").status,
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
            let response = request(world.addr(), &head).await;
            assert!(matches!(response.status, 401 | 403), "{}", response.status);
            assert_eq!(response.header("set-cookie"), "");
        }
        assert_eq!(world.exchanges(), 0);
    }
}

/// Fields of a request, and the status of its upgrade: behind a proxy whose forwarded fields count,
/// and where no proxy's do.
const OWN_ORIGINS: [(&str, u16, u16); 9] = [
    (
        "Origin: https://pub.test\nX-Forwarded-Host: pub.test",
        101,
        403,
    ),
    (
        "Origin: https://pub.test\nX-Forwarded-Host: pub.test, t3.test",
        101,
        403,
    ),
    (
        "Origin: https://pub.test:8443\nX-Forwarded-Host: pub.test:8443",
        101,
        403,
    ),
    (
        "Origin: https://t3.localhost\nX-Forwarded-Host: pub.test",
        101,
        101,
    ),
    (
        "Origin: https://other.test\nX-Forwarded-Host: pub.test, other.test",
        403,
        403,
    ),
    (
        "Origin: https://t3.localhost\nX-Forwarded-Proto: wss",
        101,
        101,
    ),
    (
        "Origin: https://t3.localhost:443\nX-Forwarded-Proto: https,http",
        101,
        101,
    ),
    (
        "Origin: http://t3.localhost\nX-Forwarded-Proto: wss",
        403,
        101,
    ),
    (
        "Origin: https://t3.localhost\nX-Forwarded-Proto: http",
        403,
        101,
    ),
];

#[tokio::test]
async fn row_25_the_own_origin_is_the_host_or_a_trusted_proxy_s_with_its_scheme() {
    for is_trusted in [true, false] {
        each(OWN_ORIGINS, move |(fields, trusted, other)| async move {
            let proxies = ["--trusted-proxies", "127.0.0.1"];
            let options = match is_trusted {
                true => [HEADER, proxies].concat(),
                false => Vec::new(),
            };
            let world = World::with(&options).await;
            let session = world.standin.issue_browser_session("test");
            let cookie = format!("Cookie: t3_session={}", session.expect("writable"));
            let mut client = Client::connect(world.addr()).await;
            client
                .send_head(&format!("GET /ws\n{ADA}{fields}\n{cookie}\n{HANDSHAKE}"))
                .await;
            let status = client.head().await.expect("a response").status;
            let expected = if is_trusted { trusted } else { other };
            assert_eq!(status, expected, "{fields}, trusted: {is_trusted}");
        })
        .await;
    }
}

#[tokio::test]
async fn row_25_a_refusal_s_line_says_what_was_compared() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(command.env("DISPATCHER_IDENTITY_HEADER", "X-authentik-username"));
    let head = format!(
        "GET /ws\n{HANDSHAKE}\n{ADA}Cookie: t3_session=s3cret\nX-Forwarded-Proto: https\n\
         X-Forwarded-Host: pub.test\nOrigin: https://evil.test"
    );
    for _ in 0..20 {
        assert_eq!(request(process.addr, &head).await.status, 403);
    }
    process.signal(Signal::TERM);
    let (_, log) = process.end();
    drop(standin);
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("refused"))
        .collect();
    // There are ten in a minute, and one tells of the others.
    assert_eq!(lines.len(), 11, "{log}");
    for said in [
        "INFO",
        "https://evil.test",
        "https://t3.localhost or https://pub.test",
    ] {
        assert!(lines[0].contains(said), "{said} in {}", lines[0]);
    }
    assert!(!log.contains("s3cret"), "{log}");
}
