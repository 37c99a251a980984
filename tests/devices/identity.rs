//! What says who somebody is counts for nothing at the device door: fields of gates, the secret, cookies.

use t3_standin::edition::Edition;

use crate::common::{HANDSHAKE, PAGE};
use crate::door::{Door, HOST, USER};

/// The secret of the public door, in its file.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Claims to be somebody, by each gate's fields.
const CLAIMS: [&str; 8] = [
    "X-authentik-username: ada",
    "X-authentik-username: ada\nX-authentik-groups: admins\nX-authentik-jwt: a.b.c",
    "Remote-User: ada\nRemote-Groups: admins",
    "X-Forwarded-User: ada\nX-Forwarded-Email: ada@example.org",
    "Cf-Access-Authenticated-User-Email: ada@example.org\nCf-Access-Jwt-Assertion: a.b.c",
    "X-Dispatcher-User: ada\nX-Dispatcher-Groups: admins",
    "x-authentik-username: ada\nConnection: x-authentik-username",
    "X_authentik_username: ada",
];

const TARGETS: [&str; 9] = [
    "/",
    "/t/1",
    "/pair",
    "/healthz",
    "/dispatcher/devices",
    "/dispatcher/activity",
    "/api/auth/session",
    "/assets/index.js",
    "/.well-known/t3/environment",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_field_names_anybody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, SECRET).expect("a writable directory");
    let file = file.to_str().expect("a UTF-8 path");
    for options in [&[][..], &["--secret-file", file]] {
        for trusted in [&[][..], &["--trusted-proxies", "127.0.0.0/8"]] {
            let options = [options, trusted].concat();
            let door = Door::with(Edition::Protocol2, &options).await;
            for claim in CLAIMS {
                for target in TARGETS {
                    let head = format!(
                        "GET {target}\nHost: {HOST}\n{claim}\nX-Dispatcher-Secret: {SECRET}\n{PAGE}"
                    );
                    let response = door.ask(&head).await;
                    assert_eq!(response.all("set-cookie"), [""; 0], "{head}");
                    let expected = match target {
                        "/pair" | "/.well-known/t3/environment" => 200,
                        "/api/auth/session" => 401,
                        _ => 404,
                    };
                    assert_eq!(response.status, expected, "{head}");
                }
            }
            door.assert_nothing_gained("claims");
            let labels = door.world.standin.sessions();
            let labels: Vec<_> = labels
                .iter()
                .filter_map(|row| row.label.as_deref())
                .collect();
            assert!(
                labels.iter().all(|label| !label.contains("ada")),
                "{labels:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cookie_is_anybody_s_session() {
    let door = Door::of(Edition::Protocol2).await;
    let (name, session) = door.browser_session().await;
    door.forget();
    let cookies = format!("a=1; {name}={session}; t3_session={session}; authentik_session=x");
    for target in TARGETS {
        for lines in [
            format!("Cookie: {cookies}"),
            format!("Cookie: {cookies}\nCookie: {name}={session}"),
            format!("cookie: {cookies}\n{USER}: ada"),
            format!("Set-Cookie: {name}={session}\nCookie: {cookies}"),
        ] {
            let head = format!("GET {target}\nHost: {HOST}\n{lines}\n{PAGE}");
            let response = door.ask(&head).await;
            assert_eq!(response.all("set-cookie"), [""; 0], "{head}");
            if target == "/api/auth/session" {
                assert_eq!(response.status, 401, "{head}");
            }
        }
    }
    for target in [
        "/ws?orchestrationProtocol=2",
        "/api/preview-stream/ws",
        "/api/device-hub/a/ws",
    ] {
        let head = format!("GET {target}\nHost: {HOST}\nCookie: {cookies}\n{HANDSHAKE}");
        assert_eq!(door.ask(&head).await.status, 404, "{head}");
    }
    let ticket = "POST /api/auth/websocket-ticket";
    let head = format!("{ticket}\nHost: {HOST}\nCookie: {cookies}\nContent-Length: 0");
    assert_eq!(door.ask(&head).await.status, 401);
    door.assert_nothing_gained("cookies");
    // With a token beside it, t3 sees the token alone; a cookie would beat it (contract §3).
    let app = door.paired("bob").await;
    door.forget();
    let head = format!(
        "GET /api/auth/session\nHost: {HOST}\nCookie: {name}=bad\nAuthorization: Bearer {}",
        app.token
    );
    let session = door.ask(&head).await.json();
    assert_eq!(session["authenticated"], true, "{session}");
    door.assert_nothing_gained("a cookie beside a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_is_404_and_every_page_may_read_the_refusals() {
    let door = Door::of(Edition::Protocol2).await;
    for (head, status) in [
        ("GET /nowhere", 404),
        ("GET /mcp", 404),
        ("POST /api/hooks/a/b\nContent-Length: 0", 404),
        ("GET /.well-known/oauth-protected-resource", 404),
        ("POST /oauth/mcp/register\nContent-Length: 0", 404),
        ("POST /api/auth/browser-session\nContent-Length: 0", 404),
        ("POST /api/orchestration/dispatch\nContent-Length: 0", 404),
        ("POST /api/projects/mutate\nContent-Length: 0", 404),
        ("POST /api/observability/v1/traces\nContent-Length: 0", 404),
        ("GET /api/projects", 401),
        ("POST /oauth/token\nContent-Length: 0", 415),
    ] {
        let head = format!("{head}\nOrigin: https://app.t3.codes");
        let response = door.ask(&head).await;
        assert_eq!(response.status, status, "{head}");
        assert_eq!(response.all("access-control-allow-origin"), ["*"], "{head}");
        assert_eq!(response.header("access-control-allow-credentials"), "");
        let json = response.json();
        if status == 404 {
            assert_eq!(json["error"], "not_found", "{head}: {json}");
        }
    }
    door.assert_untouched("what is closed");
}
