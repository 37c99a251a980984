//! Fields and cookies that are never forwarded to t3: single sign-on's, and lookalike names: row 16.

use crate::common::{Client, HANDSHAKE, World, request};
use crate::harness::{ADA, HEADER, each, load, seen_last};

const TWINS: &str = "X_authentik_username: intruder\nX.authentik.username: intruder\nX-authentik_uid: intruder\n\
    X_Authentik-email: intruder\nx.authentik-groups: intruder\nX_Forwarded_For: intruder\nX.Forwarded.For: intruder\n\
    X_Forwarded_Proto: intruder\nX-Forwarded_Host: intruder\nX_Real_IP: intruder\nX_Dispatcher_Secret: intruder\n\
    X.Dispatcher.Secret: intruder\n";

const SSO: &str = "X-authentik-uid: intruder\nX-authentik-email: intruder\nX-authentik-name: intruder\n\
    X-authentik-groups: intruder\nX-authentik-jwt: intruder\nX-authentik-meta-jwks: intruder\n\
    X-authentik-entitlements: intruder\nX-Authentik-Anything: intruder\nX-Dispatcher-Secret: intruder\n";

/// No request that t3 received has a field of single sign-on.
fn assert_withheld(world: &World) {
    for seen in world.asked() {
        for (name, value) in &seen.headers {
            let plain = name.to_lowercase().replace(['_', '.'], "-");
            let of_sso = plain.starts_with("x-authentik") || plain == "x-dispatcher-secret";
            let value = String::from_utf8_lossy(value);
            let line = format!("{name}: {value}");
            assert!(!of_sso && value != "intruder" && value != "ada", "{line}");
        }
    }
}

#[tokio::test]
async fn row_16_twins_of_a_field_go_with_it_or_without() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        let head = format!("GET /standin/head\n{TWINS}X_Kept: 1\nX.Kept: 2");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_withheld(&world);
        assert_eq!(seen_last(&world, "x_kept"), ["1"], "others keep theirs");
        assert_eq!(seen_last(&world, "x.kept"), ["2"]);
    }
}

#[tokio::test]
async fn single_sign_on_s_fields_are_withheld() {
    for options in [&[][..], &HEADER] {
        let world = World::with(options).await;
        let head = format!("GET /standin/head\n{ADA}{SSO}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_eq!(load(world.addr(), &format!("{ADA}{SSO}")).await.status, 302);
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /ws\n{ADA}{SSO}Cookie: t3_session={session}\n{HANDSHAKE}");
        client.send_head(&head).await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        assert!(world.asked().len() >= 2);
        assert_withheld(&world);
    }
}

#[tokio::test]
async fn another_identity_header_is_withheld_too() {
    let world = World::with(&["--identity-header", "Remote-User"]).await;
    let fields = "Remote-User: ada\nRemote_User: ada\nRemote.User: ada";
    let head = format!("GET /standin/head\n{fields}");
    assert_eq!(request(world.addr(), &head).await.status, 200);
    assert_withheld(&world);
    for name in ["remote-user", "remote_user", "remote.user"] {
        assert_eq!(seen_last(&world, name), [""; 0]);
    }
}

#[tokio::test]
async fn single_sign_on_s_cookies_are_withheld_and_the_rest_of_the_line_unchanged() {
    let cases = [
        ("authentik_proxy_1=x; a=1", "a=1"),
        ("a=1; authentik_proxy_1=x", "a=1"),
        ("a=1; authentik_proxy_1=x; b=2", "a=1; b=2"),
        ("a=1;authentik_session=x;b=2", "a=1;b=2"),
        ("authentik_csrf=x; authentik_session=y; a=1", "a=1"),
        (
            "a=\"1 2\";  b = 2 ;; c; =d; authentik_x=1; e==f",
            "a=\"1 2\";  b = 2 ;; c; =d; e==f",
        ),
        ("a=\u{e9}; authentik_x=\u{e9}; b=2", "a=\u{e9}; b=2"),
        (
            "xauthentik_x=1; authentik=2; a=authentik_x=3",
            "xauthentik_x=1; authentik=2; a=authentik_x=3",
        ),
        (
            "t3_session=abc; authentik_x=1; t3_session_x=def",
            "t3_session=abc; t3_session_x=def",
        ),
        ("a=1; b=2", "a=1; b=2"),
    ];
    each(cases, |(sent, expected)| async move {
        let world = World::start().await;
        let head = format!("GET /standin/head\nCookie: {sent}");
        assert_eq!(request(world.addr(), &head).await.status, 200);
        assert_eq!(seen_last(&world, "cookie"), [expected], "{sent}");
    })
    .await;
    let world = World::start().await;
    let head = "GET /standin/head\nCookie: authentik_x=1\nCookie: a=1\nCookie: authentik_x=1; b=2";
    assert_eq!(request(world.addr(), head).await.status, 200);
    assert_eq!(seen_last(&world, "cookie"), ["a=1", "b=2"], "line by line");
    assert_eq!(
        request(world.addr(), "GET /standin/head\nCookie: authentik_x=1")
            .await
            .status,
        200
    );
    assert_eq!(
        seen_last(&world, "cookie"),
        [""; 0],
        "nothing is left of it"
    );
}

/// More than the 16 KiB that t3 accepts as a whole head (contract §7).
#[tokio::test]
async fn forty_eight_kibibytes_of_such_cookies_do_not_make_t3_refuse() {
    let world = World::start().await;
    let grown: Vec<_> = (0..24)
        .map(|n| format!("authentik_proxy_{n}={}", "x".repeat(2020)))
        .collect();
    let line = format!("Cookie: a=1; {}; b=2\n", grown.join("; "));
    let response = request(world.addr(), &format!("GET /standin/head\n{line}")).await;
    assert_eq!(response.status, 200);
    assert_eq!(seen_last(&world, "cookie"), ["a=1; b=2"]);
    assert_eq!(load(world.addr(), &line).await.status, 302, "and it pairs");
    let session = world
        .standin
        .issue_browser_session("test")
        .expect("writable");
    let mut client = Client::connect(world.addr()).await;
    let head = format!("GET /ws\n{line}Cookie: t3_session={session}\n{HANDSHAKE}");
    client.send_head(&head).await;
    assert_eq!(client.head().await.expect("a response").status, 101);
}
