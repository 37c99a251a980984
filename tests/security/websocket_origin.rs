//! WebSocket upgrades from another origin: row 25.

use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{assert_untouched, each};

const FOREIGN: [&str; 9] = [
    "Origin: https://evil.test",
    "Origin: http://evil.test",
    "Origin: null",
    "Origin: https://t3.test.evil.test",
    "Origin: https://evil-t3.test",
    "Origin: https://t3.test@evil.test",
    "Origin: https://t3.test:444",
    "Origin:",
    "Origin: https://t3.test\nOrigin: https://evil.test",
];

#[tokio::test]
async fn row_25_a_foreign_origin_is_refused_behind_single_sign_on() {
    each(FOREIGN, |origin| async move {
        let world = World::with(&["--identity-header", "X-authentik-username"]).await;
        let session = world
            .standin
            .issue_browser_session("test")
            .expect("writable");
        let head = format!(
            "GET /ws\n{HANDSHAKE}\n{origin}\nX-authentik-username: ada\n\
             X-Forwarded-Proto: https\nCookie: t3_session={session}"
        );
        let response = request(world.addr(), &head).await;
        assert_eq!(response.status, 403, "{origin}");
        assert_untouched(&world, origin);
    })
    .await;
}

#[tokio::test]
async fn row_25_its_own_origin_and_none_are_let_through() {
    let fields = [
        "Origin: https://t3.test\nX-Forwarded-Proto: https\n",
        "Origin: HTTPS://T3.test\nX-Forwarded-Proto: https\n",
        "Origin: https://t3.test:443\nX-Forwarded-Proto: https\n",
        "Origin: http://t3.test\n",
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
