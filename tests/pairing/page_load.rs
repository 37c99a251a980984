//! A page load without a session is redirected with one; nothing else runs the t3 CLI.

use crate::common::{Edition, PAGE, World, in_front_of_each_t3, request};

in_front_of_each_t3!(a_cookieless_page_load_is_sent_back_with_a_session_that_works);

async fn load(world: &World, target: &str) -> crate::common::http::Response {
    request(world.addr(), &format!("GET {target}\n{PAGE}")).await
}

async fn a_cookieless_page_load_is_sent_back_with_a_session_that_works(edition: Edition) {
    let world = World::of(edition, &["--mint", "cli"]).await;
    let response = load(&world, "/t/1?a=b%20c").await;
    assert_eq!(response.status, 302);
    assert_eq!(response.all("location"), ["/t/1?a=b%20c"]);
    assert_eq!(response.header("cache-control"), "no-store");
    let line = response.header("set-cookie");
    let (value, attributes) = line.split_once("; ").expect("t3's own line");
    let name = world.cookie_name().await;
    assert!(value.starts_with(&format!("{name}=")), "{value}");
    assert!(edition == Edition::Protocol2 || value.len() == name.len() + 1 + 403);
    assert!(attributes.starts_with("Path=/; Expires="), "{line}");
    assert!(
        attributes.ends_with(" GMT; HttpOnly; SameSite=Lax"),
        "{line}"
    );
    let session = format!("GET /api/auth/session\nCookie: {}", response.cookie());
    let session = request(world.addr(), &session).await;
    assert_eq!(session.json()["authenticated"], true);
    let made = world.standin.sessions();
    let made = made.last().expect("one session");
    assert_eq!(made.user_agent.as_deref(), Some("Mozilla/5.0 (test)"));
    assert_eq!(world.cli_starts(), 1);
}

#[tokio::test]
async fn t3_s_set_cookie_lines_are_forwarded_unchanged() {
    let world = World::with(&["--mint", "cli"]).await;
    let further = vec![
        "b=2; Path=/x; Secure".to_owned(),
        "c=\"3 4\";HttpOnly".to_owned(),
    ];
    world
        .standin
        .set_faults(|faults| faults.extra_set_cookie = further.clone());
    let response = load(&world, "/").await;
    let lines = response.all("set-cookie");
    assert_eq!(lines.len(), 3, "several lines are not merged");
    assert_eq!(lines[1..], further);
}

#[tokio::test]
async fn nothing_but_a_cookieless_page_load_runs_the_cli() {
    let world = World::with(&["--mint", "cli"]).await;
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("a session");
    let page = PAGE.replace("document", "empty");
    for head in [
        "GET /api/auth/session\nAccept: */*\nSec-Fetch-Dest: empty".to_owned(),
        format!("GET /\n{page}"),
        format!("GET /\n{}", PAGE.replace("document", "iframe")),
        format!("GET /\n{PAGE}\nSec-Purpose: prefetch"),
        format!("POST /\n{PAGE}\nContent-Length: 0"),
        format!("HEAD /\n{PAGE}"),
        "GET /assets/x.js\nSec-Fetch-Dest: script\nAccept: */*".to_owned(),
        format!("GET /\n{PAGE}\nAuthorization: Bearer x"),
        format!("GET /\n{PAGE}\nCookie: t3_session={session}"),
        "GET /".to_owned(),
        format!("GET /ws\n{PAGE}\nConnection: Upgrade\nUpgrade: websocket"),
        "GET /healthz\nAccept: text/html".to_owned(),
    ] {
        let response = request(world.addr(), &head).await;
        assert_ne!(response.status, 302, "{head}");
    }
    assert_eq!(world.cli_starts(), 0);
}

/// A path that does not look the same to everybody is forwarded, so that no Location comes of it.
#[tokio::test]
async fn the_location_stays_on_this_origin() {
    let world = World::with(&["--mint", "cli"]).await;
    for target in [
        "//evil.test/",
        "///evil.test/",
        "/\\evil.test/",
        "/%09/evil.test",
        "http://evil.test//worse",
    ] {
        // Another browser each time, as the loop guard limits the pairings of one browser.
        let page = PAGE.replace("(test)", target);
        let response = request(world.addr(), &format!("GET {target}\n{page}")).await;
        assert!(
            matches!(response.status, 200 | 400),
            "{target}: {}",
            response.status
        );
        assert_eq!(response.header("location"), "", "{target}");
    }
    let absolute = load(&world, "http://t3.localhost/t/1?next=//evil.test").await;
    assert_eq!(absolute.status, 302);
    assert_eq!(absolute.header("location"), "/t/1?next=//evil.test");
    for target in ["/\t/evil.test", "/\u{1}evil", "/a\0b"] {
        assert_eq!(load(&world, target).await.status, 400, "{target:?}");
    }
}
