//! Who is paired: the identity header and the allowed users.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::common::http::Response;
use crate::common::{Client, HANDSHAKE, PAGE, PATIENCE, World, request};
use crate::harness::{ADA, HEADER, assert_paired, assert_untouched, each, load};

#[tokio::test]
async fn one_value_of_exactly_that_name_is_an_identity() {
    let cases = [
        ("X-authentik-username: ada\n", true),
        ("x-AUTHENTIK-userName: ada\n", true),
        ("X-authentik-username: ada@example.org\n", true),
        ("X-authentik-username: J\u{f6}rg\n", true),
        ("", false),
        ("X-authentik-username:\n", false),
        ("X-authentik-username:   \n", false),
        (
            "X-authentik-username: ada\nX-authentik-username: ada\n",
            false,
        ),
        (
            "X-authentik-username: ada\nX-authentik-username: eve\n",
            false,
        ),
        ("X-authentik-username: ada\nX-authentik-username:\n", false),
        ("X-authentik-username:\nX-authentik-username: ada\n", false),
        ("X_authentik_username: ada\n", false),
        ("X.authentik.username: ada\n", false),
        ("X-authentik_username: ada\n", false),
        ("X-authentik-usernam: ada\n", false),
        ("X-authentik-username-x: ada\n", false),
        ("X-authentik-email: ada\n", false),
        ("X-authentik-uid: 1\nX-authentik-groups: admins\n", false),
        (
            "X-authentik-jwt: e30.e30.x\nX-authentik-meta-jwks: https://evil.test/\n",
            false,
        ),
        ("Remote-User: ada\nX-Forwarded-User: ada\n", false),
        ("Connection: X-authentik-username\n", false),
    ];
    each(cases, |(fields, expected)| async move {
        let world = World::with(&HEADER).await;
        let response = load(world.addr(), fields).await;
        assert_paired(&response, expected, fields);
        assert_eq!(world.exchanges(), usize::from(expected), "{fields}");
    })
    .await;
}

#[tokio::test]
async fn without_an_identity_header_the_same_machine_is_paired() {
    let world = World::start().await;
    assert_paired(&load(world.addr(), "").await, true, "loopback");
    assert_paired(
        &load(world.addr(), ADA).await,
        true,
        "loopback, claiming a name",
    );
}

#[tokio::test]
async fn a_person_who_is_not_on_the_list_gets_a_page_that_says_so() {
    let options = ["--allowed-users", "ada,bob@example.org"];
    let world = World::with(&[HEADER, options].concat()).await;
    for user in ["eve", "ada@example.org", "ada,bob@example.org"] {
        let response = load(world.addr(), &format!("X-authentik-username: {user}\n")).await;
        assert_eq!(response.status, 403, "{user}");
        let content_type = response.header("content-type");
        assert!(content_type.starts_with("text/html"), "{content_type}");
        assert_eq!(response.header("cache-control"), "no-store", "{user}");
        let page = response.text();
        assert!(page.contains(user), "{user}: {page}");
        assert_eq!(world.exchanges(), 0, "{user}");
        assert_untouched(&world, user);
    }
}

#[tokio::test]
async fn the_403_page_escapes_the_name() {
    let world = World::with(&[HEADER, ["--allowed-users", "ada"]].concat()).await;
    let user = "<script>alert(1)</script>&\"'";
    let response = load(world.addr(), &format!("X-authentik-username: {user}\n")).await;
    assert_eq!(response.status, 403);
    assert!(
        !response.text().contains("<script>alert"),
        "{}",
        response.text()
    );
    assert!(
        response.text().contains("&lt;script&gt;"),
        "{}",
        response.text()
    );
}

/// Loads a page in one browser as the person whose name has these bytes.
async fn load_as(world: &World, target: &str, name: &[u8]) -> Response {
    let page = PAGE.replace('\n', "\r\n");
    let head = format!("GET {target} HTTP/1.1\r\nHost: t3.test\r\n{page}\r\n");
    let field = [b"X-authentik-username: ", name, b"\r\n\r\n"].concat();
    let mut client = Client::connect(world.addr()).await;
    client.send(&[head.as_bytes(), &field].concat()).await;
    client.response(false).await
}

/// Whose session it is cannot be asked while t3 is busy: it may respond a moment after that was given up.
#[tokio::test]
async fn a_session_that_is_not_settled_goes_no_further() {
    let options = [&HEADER[..], &["--response-timeout", "300ms"]].concat();
    let world = World::with(&options).await;
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
    let issued = world.standin.issue_browser_session("ada@sso");
    let session = issued.expect("it writes");
    let cookie = format!("Cookie: {}={session}", world.cookie_name().await);
    world.standin.set_faults(|faults| faults.hang_all = true);
    let is_busy = async {
        while request(world.addr(), "GET /readyz").await.text() != "busy" {
            request(world.addr(), "GET /standin/1k").await;
        }
    };
    timeout(PATIENCE, is_busy).await.expect("it is busy");
    let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin";
    let head = format!("GET /standin/head\n{own}\nX-authentik-username: eve\n{cookie}\n");
    let responds = async {
        // It is given up after a second and a half, and waited for as long again.
        sleep(Duration::from_millis(2200)).await;
        world.standin.set_faults(|faults| faults.hang_all = false);
    };
    let (response, ()) = tokio::join!(request(world.addr(), &head), responds);
    assert!(!response.text().contains(&session), "{}", response.status);
}

#[tokio::test]
async fn row_72_only_exactly_one_identity_that_counts_is_somebody() {
    let cases = [
        "",
        "X-authentik-username: ada\nX-authentik-username: ada\n",
        "X-authentik-username: ada\nX-authentik-username: eve\n",
        "X-authentik-username: ada\nX-authentik-username:\n",
        "X-authentik-username: ada\nConnection: X-authentik-username\n",
        "X-authentik-username: ada\nConnection: keep-alive, x-AUTHENTIK-username\n",
        "X-authentik-username: ada\nConnection: close\nConnection: x-authentik-username\n",
    ];
    each(cases, |fields| async move {
        let world = World::with(&HEADER).await;
        let dead = format!("{fields}Cookie: t3_session=dead\n");
        let own = "Origin: http://t3.localhost\nSec-Fetch-Site: same-origin";
        let page = load(world.addr(), &dead).await;
        let query = format!("GET /api/auth/session\nSec-Fetch-Dest: empty\n{own}\n{dead}");
        let query = request(world.addr(), &query).await;
        let mut client = Client::connect(world.addr()).await;
        let upgrade = format!("GET /ws\n{HANDSHAKE}\n{own}\n{dead}");
        client.send_head(&upgrade).await;
        let upgrade = client.head().await.expect("a response");
        assert_ne!(page.status, 302, "{fields}");
        assert_ne!(upgrade.status, 101, "{fields}");
        for response in [page, query, upgrade] {
            assert_eq!(response.header("set-cookie"), "", "{fields}");
        }
        assert_eq!(world.exchanges(), 0, "{fields}");
    })
    .await;
}

#[tokio::test]
async fn row_73_names_that_are_equal_only_when_decoded_are_two_people() {
    let names: [&[u8]; 5] = [b"Zo\xeb", b"Zo\xec", b"Zo\xef\xbf\xbd", b"Zo%EB", b"Zo"];
    let world = World::with(&HEADER).await;
    let mut sessions = HashSet::new();
    for (number, name) in names.into_iter().enumerate() {
        // Tabs of one person's browser would share a session.
        let first = load_as(&world, &format!("/a/{number}"), name).await;
        let second = load_as(&world, &format!("/b/{number}"), name).await;
        let shown = name.escape_ascii();
        assert_eq!((first.status, second.status), (302, 302), "{shown}");
        assert_eq!(first.cookie(), second.cookie(), "{shown}");
        assert!(sessions.insert(first.cookie()), "{shown} got another's");
    }
    let list = ["--allowed-users", "Zo\u{fffd},Zo%EC"];
    let world = World::with(&[HEADER, list].concat()).await;
    for name in [&b"Zo\xeb"[..], b"Zo\xec"] {
        let response = load_as(&world, "/", name).await;
        assert_eq!(response.status, 403, "{}", name.escape_ascii());
    }
}
