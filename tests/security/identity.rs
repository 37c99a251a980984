//! Who is paired: the identity header and the allowed users.

use crate::common::World;
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
async fn only_users_that_are_named_are_paired() {
    let options = ["--allowed-users", "ada,bob@example.org"];
    let cases = [
        ("ada", true),
        ("ada@example.org", true),
        ("bob@example.org", true),
        ("eve", false),
        ("eve@ada", false),
        ("ad", false),
        ("adaa", false),
        ("ada,bob@example.org", false),
        ("x@ada@example.org", false),
        ("@example.org", false),
        ("", false),
    ];
    each(cases, |(user, expected)| async move {
        let world = World::with(&[HEADER, options].concat()).await;
        let response = load(world.addr(), &format!("X-authentik-username: {user}\n")).await;
        if expected || user.is_empty() {
            return assert_paired(&response, expected, user);
        }
        assert_eq!(response.status, 403, "{user}");
        assert!(
            response.header("content-type").starts_with("text/html"),
            "{user}"
        );
        assert_eq!(response.header("cache-control"), "no-store", "{user}");
        assert!(
            response.text().contains(user),
            "{user}: {}",
            response.text()
        );
        assert_eq!(world.exchanges(), 0, "{user}");
        assert_untouched(&world, user);
    })
    .await;
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
