//! A session acts only for the person whose request it is: not for nobody, another origin, or as a token.

use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{ADA, HEADER, each, seen_last};

/// A field that has no effect, but has the request take hyper's way.
const BY_HYPER: &str = "Connection: keep-alive, x-nothing\n";

/// Requests without exactly one identity that is believed.
const NOBODY: [&str; 6] = [
    "",
    "X-authentik-username:\n",
    "X-authentik-username: ada\nX-authentik-username: ada\n",
    "X-authentik-username: ada\nConnection: x-authentik-username\n",
    "X-authentik-username: ada\nConnection: keep-alive\nConnection: X-Authentik-Username\n",
    "X_authentik_username: ada\n",
];

fn session(world: &World) -> String {
    let session = world.standin.issue_browser_session("alice");
    session.expect("writable")
}

/// Is the request with `fields` answered as that of somebody with a session?
async fn is_authenticated(world: &World, target: &str, fields: &str) -> bool {
    let response = request(world.addr(), &format!("GET {target}\n{fields}Accept: */*")).await;
    assert_eq!(response.status, 200, "{fields}");
    response.json()["authenticated"] == true
}

#[tokio::test]
async fn row_72_a_living_session_counts_for_nothing_beside_nobody() {
    each(NOBODY, |nobody| async move {
        let world = World::with(&HEADER).await;
        let session = session(&world);
        let cookie = format!("Cookie: a=1; t3_session={session}; t3_session_x=y; b=2\n");
        for by_hyper in ["", BY_HYPER] {
            let fields = format!("{nobody}{by_hyper}{cookie}");
            assert!(!is_authenticated(&world, "/api/auth/session", &fields).await);
            let head = format!("GET /api/standin/head\n{fields}Accept: */*");
            assert_eq!(request(world.addr(), &head).await.status, 200);
            assert_eq!(seen_last(&world, "cookie"), ["a=1; b=2"], "{fields}");
        }
        world.standin.clear_requests();
        let head = format!("GET /ws\n{nobody}{cookie}{HANDSHAKE}");
        assert_eq!(request(world.addr(), &head).await.status, 403, "{nobody}");
        let page = request(world.addr(), &format!("GET /t/1\n{nobody}{cookie}{PAGE}")).await;
        assert_eq!(page.status, 403, "{nobody}");
        assert!(page.header("content-type").starts_with("text/html"));
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(
            page.text().contains("x-authentik-username"),
            "{}",
            page.text()
        );
        assert!(world.asked().is_empty(), "{nobody}");
    })
    .await;
}

#[tokio::test]
async fn row_72_spellings_of_a_session_cookie_that_t3_would_read_are_taken_off() {
    let world = World::with(&HEADER).await;
    world
        .standin
        .set_faults(|faults| faults.cookie_name = "t3_session_0a1b2c3d4e5f".to_owned());
    for (cookie, left) in [
        ("t3_session_0a1b2c3d4e5f=x", [].as_slice()),
        ("t3_session=x; a=1", &["a=1"]),
        (
            "a=1\nCookie: t3_session_3773=x\nCookie: b=2",
            &["a=1", "b=2"],
        ),
        ("a=1;t3_session =x", &["a=1"]),
    ] {
        let head = format!("GET /api/standin/head\nCookie: {cookie}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_eq!(seen_last(&world, "cookie"), left, "{cookie}");
    }
    let mut client = Client::connect(world.addr()).await;
    let head =
        b"GET /api/standin/head HTTP/1.1\r\nHost: h\r\nCookie: a=1; \xa0t3_session=x\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.response(false).await.status, 200);
    assert_eq!(
        seen_last(&world, "cookie"),
        ["a=1"],
        "JavaScript trims U+00A0"
    );
}

#[tokio::test]
async fn row_72_a_bearer_and_a_ticket_of_nobody_go_on_as_they_are() {
    let world = World::with(&HEADER).await;
    let admin = world.standin.issue_administrative_session("native");
    let bearer = format!("Authorization: Bearer {}\n", admin.expect("writable"));
    for by_hyper in ["", BY_HYPER] {
        let fields = format!("{by_hyper}{bearer}Cookie: t3_session=stale\n");
        assert!(is_authenticated(&world, "/api/auth/session", &fields).await);
    }
    let head = format!("POST /api/auth/websocket-ticket\n{bearer}Content-Length: 0");
    let ticket = request(world.addr(), &head).await.json();
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    for head in [
        format!("GET /ws?wsTicket={ticket}\n{HANDSHAKE}"),
        format!("GET /ws?wsTicket={ticket}\nCookie: t3_session=stale\n{HANDSHAKE}"),
        format!("GET /ws\n{bearer}Cookie: t3_session=stale\n{HANDSHAKE}"),
    ] {
        let mut client = Client::connect(world.addr()).await;
        client.send_head(&head).await;
        let response = client.head().await.expect("a response");
        assert_eq!(response.status, 101, "{head}");
    }
    for target in ["/healthz", "/readyz", "/probe/healthz"] {
        let head = format!("GET {target}\nAccept: text/html\nCookie: t3_session=x");
        assert_eq!(request(world.addr(), &head).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn a_browser_s_session_is_no_token_where_an_identity_is_required() {
    let schemes = ["Bearer ", "bearer ", "BEARER  ", "DPoP ", "Bearer\t"];
    each(schemes, |scheme| async move {
        let world = World::with(&HEADER).await;
        let token = format!("Authorization: {scheme}{}\n", session(&world));
        for person in ["", ADA] {
            for further in ["", BY_HYPER, "Origin: https://elsewhere.test\n"] {
                for target in ["/api/auth/session", "/api/standin/head", "/standin/head"] {
                    let head = format!("GET {target}\n{person}{further}{token}Accept: */*");
                    let response = request(world.addr(), &head).await;
                    assert_eq!(response.status, 401, "{head}");
                    let json = response.json();
                    assert_eq!(json["error"], "unauthorized");
                    assert!(json["request_id"].is_string(), "{json}");
                }
            }
            let head = format!("GET /ws\n{person}{token}{HANDSHAKE}");
            assert_eq!(request(world.addr(), &head).await.status, 401, "{head}");
            let head = format!("GET /\n{person}{token}{PAGE}");
            assert_eq!(request(world.addr(), &head).await.status, 401, "{head}");
        }
        assert!(world.asked().is_empty());
        let cookie = format!("{ADA}Cookie: t3_session={}\n", session(&world));
        assert!(is_authenticated(&world, "/api/auth/session", &cookie).await);
    })
    .await;
}

#[tokio::test]
async fn without_an_identity_header_every_token_is_t3_s_to_judge() {
    let world = World::start().await;
    let token = format!("Authorization: Bearer {}\n", session(&world));
    assert!(is_authenticated(&world, "/api/auth/session", &token).await);
}

#[tokio::test]
async fn a_request_of_another_origin_goes_on_without_the_session() {
    let elsewhere = [
        "Origin: https://evil.test\n",
        "Origin: null\n",
        "Origin: http://t3.localhost:81\n",
        "Sec-Fetch-Site: cross-site\n",
        "Sec-Fetch-Site: same-site\n",
        "Sec-Fetch-Site: none\nSec-Fetch-Site: cross-site\n",
        "Sec-Fetch-Site: same-origin\nOrigin: https://evil.test\n",
        "Origin: http://t3.localhost\nSec-Fetch-Site: cross-site\n",
    ];
    each(elsewhere, |elsewhere| async move {
        for options in [&[][..], &HEADER] {
            let world = World::with(options).await;
            let cookie = format!("Cookie: a=1; t3_session={}\n", session(&world));
            for by_hyper in ["", BY_HYPER] {
                let fields = format!("{ADA}{elsewhere}{by_hyper}{cookie}");
                assert!(!is_authenticated(&world, "/api/auth/session", &fields).await);
                let head = format!("GET /api/standin/head\n{fields}Accept: */*");
                assert_eq!(request(world.addr(), &head).await.status, 200);
                assert_eq!(seen_last(&world, "cookie"), ["a=1"], "{fields}");
            }
            let head = format!(
                "POST /api/auth/websocket-ticket\n{ADA}{elsewhere}{cookie}Content-Length: 0"
            );
            assert_eq!(request(world.addr(), &head).await.status, 401, "{head}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_s_own_pages_and_a_link_of_another_site_keep_the_session() {
    let world = World::with(&HEADER).await;
    let cookie = format!("Cookie: t3_session={}\n", session(&world));
    for own in [
        "",
        "Sec-Fetch-Site: same-origin\n",
        "Sec-Fetch-Site: none\n",
        "Origin: http://t3.localhost\n",
    ] {
        for by_hyper in ["", BY_HYPER] {
            let fields = format!("{ADA}{own}{by_hyper}{cookie}");
            assert!(is_authenticated(&world, "/api/auth/session", &fields).await);
            let head = format!("GET /api/standin/head\n{fields}Accept: */*");
            assert_eq!(request(world.addr(), &head).await.status, 200);
            assert_eq!(seen_last(&world, "cookie").len(), 1, "{fields}");
        }
    }
    for site in ["cross-site", "same-site", "same-origin", "none"] {
        let page = PAGE.replace("Site: none", &format!("Site: {site}"));
        for target in ["/t/1", "/api/standin/head"] {
            let head = format!("GET {target}\n{ADA}{cookie}{page}");
            assert_eq!(request(world.addr(), &head).await.status, 200, "{head}");
            assert_eq!(seen_last(&world, "cookie").len(), 1, "{head}");
        }
        let framed = page.replace("document", "iframe");
        let head = format!("GET /t/1\n{ADA}{cookie}{framed}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        let is_own = ["same-origin", "none"].contains(&site);
        assert_eq!(
            seen_last(&world, "cookie").len(),
            usize::from(is_own),
            "{site}"
        );
    }
}
