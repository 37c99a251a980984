//! Codes and tokens that are guessed, replayed, or of elsewhere.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use t3_standin::edition::Edition;

use crate::common::app::App;
use crate::common::{Client, in_front_of_each_t3};
use crate::door::{Door, HOST};

/// How often t3 was asked for that path by anybody, the dispatcher included.
fn asked_for(door: &Door, path: &str) -> usize {
    let requests = door.world.standin.requests();
    let same = requests
        .iter()
        .filter(|seen| seen.target.starts_with(path.as_bytes()));
    same.count()
}

async fn a_code_is_good_once_and_only_if_it_was_minted_here(edition: Edition) {
    let (door, other) = (Door::of(edition).await, Door::of(edition).await);
    let standin = &door.world.standin;
    // t3 would take both of these.
    let by_cli = standin.pairing_credential(None).expect("writes");
    let printed = standin.pairing_credential_for_administration();
    let foreign = other.code("ada").await;
    let mut app = door.app(None).await;
    door.forget();
    for code in [
        by_cli,
        printed.expect("writes"),
        foreign,
        "63ZRCHFUYSNW".to_owned(),
        "x".repeat(4000),
        String::new(),
        "%00".to_owned(),
    ] {
        let refused = app.pair(&code, "phone").await;
        assert_eq!(refused.status, 401, "{code}");
        let json = refused.json();
        assert_eq!(json["code"], "auth_invalid", "as t3 says it: {json}");
        assert_eq!(json["reason"], "invalid_credential");
    }
    door.assert_untouched("codes of elsewhere");

    let code = door.code("ada").await;
    door.forget();
    let attempts = (0..8).map(|_| {
        let mut app = app.clone();
        let code = code.clone();
        tokio::spawn(async move { app.pair(&code, "phone").await.status })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        statuses.push(attempt.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
    assert_eq!(asked_for(&door, "/oauth/token"), 1);
    assert_eq!(app.pair(&code, "phone").await.status, 401, "replayed");
    assert_eq!(asked_for(&door, "/oauth/token"), 1);
    door.assert_nothing_gained("a replayed code");
}

in_front_of_each_t3!(a_code_is_good_once_and_only_if_it_was_minted_here);

fn token_of(claims: &serde_json::Value) -> String {
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("{claims}.{}", BASE64URL_NOPAD.encode(&[7; 32]))
}

/// An Authorization that no session here stands for.
async fn worthless(door: &Door, other: &Door) -> Vec<(String, bool)> {
    let (_, session) = door.browser_session().await;
    let own = door.paired("ada").await;
    let foreign = other.paired("ada").await.token;
    let ticket = own.ticket().await.expect("a ticket");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis() as u64;
    let claims = |method: &str, exp: u64| {
        json!({ "v": 1, "kind": "session", "sid": "a", "sub": "b", "scopes": ["access:write"],
            "method": method, "iat": now, "exp": exp })
    };
    let forged = token_of(&claims("bearer-access-token", now + 60_000));
    let over = token_of(&claims("bearer-access-token", now - 1));
    let of_browser = token_of(&claims("browser-session-cookie", now + 60_000));
    let mut cut = own.token.clone();
    cut.pop();
    // Whether t3 may be asked about it.
    [
        (format!("Bearer {foreign}"), true),
        (format!("Bearer {forged}"), true),
        (format!("Bearer {cut}"), true),
        (format!("Bearer {session}"), false),
        (format!("bearer  {session}"), false),
        (format!("DPoP {session}\nDPoP: a.b.c"), false),
        (format!("Bearer {of_browser}"), false),
        (format!("Bearer {over}"), false),
        (format!("Bearer {ticket}"), false),
        (format!("Basic {}", own.token), false),
        (own.token.clone(), false),
        (format!("Bearer {0}, Bearer {0}", own.token), false),
        (
            format!("Bearer {0}\nAuthorization: Bearer {0}", own.token),
            false,
        ),
        (format!("DPoP {}", own.token), false),
        (format!("Bearer {}.{}", own.token, "x".repeat(5000)), false),
        ("Bearer a.b.c".to_owned(), false),
        ("Bearer".to_owned(), false),
        (String::new(), false),
    ]
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_s_token_and_a_browser_s_session_are_no_tokens() {
    let (door, other) = (
        Door::of(Edition::Protocol2).await,
        Door::of(Edition::Protocol2).await,
    );
    for (authorization, may_ask) in worthless(&door, &other).await {
        door.forget();
        for (method, target) in [
            ("GET", "/api/auth/session"),
            ("GET", "/api/auth/clients"),
            ("GET", "/api/orchestration/shell"),
            ("GET", "/api/orchestration/threads/t1"),
            ("POST", "/api/auth/websocket-ticket"),
            ("POST", "/api/auth/pairing-token"),
            ("POST", "/api/auth/clients/revoke-others"),
        ] {
            let head = format!(
                "{method} {target}\nHost: {HOST}\nOrigin: https://app.t3.codes\n\
                x-t3-orchestration-protocol: 2\nAuthorization: {authorization}\nContent-Length: 0"
            );
            let response = door.ask(&head).await;
            assert_eq!(response.status, 401, "{head}");
            assert_eq!(response.json()["code"], "auth_invalid", "{head}");
            assert_eq!(response.all("access-control-allow-origin"), ["*"]);
        }
        // It is remembered, too.
        let asked = asked_for(&door, "/api/auth/session");
        assert_eq!(asked, usize::from(may_ask), "{authorization}");
        door.assert_untouched(&authorization);
    }
}

/// Whether its proof is of this request, t3 alone can tell: by host and scheme, as the app sees them.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_bound_to_a_key_goes_to_t3_with_host_and_scheme_as_they_are() {
    let door = Door::with(Edition::Protocol2, &["--trusted-proxies", "127.0.0.0/8"]).await;
    let bound =
        token_of(&json!({ "v": 1, "kind": "session", "sid": "a", "method": "dpop-access-token" }));
    let head = format!(
        "GET /api/projects\nHost: {HOST}:8443\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil.test\n\
        DPoP: a.b.c\nAuthorization: DPoP {bound}"
    );
    let response = door.ask(&head).await;
    // Of another instance: t3 says so itself.
    assert_eq!(response.status, 401);
    let seen = door.world.asked().pop().expect("t3 was asked");
    let shown = |name: &str| {
        seen.header(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(shown("host"), Some(format!("{HOST}:8443")));
    assert_eq!(shown("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(shown("dpop").as_deref(), Some("a.b.c"));
    assert_eq!(shown("authorization"), Some(format!("DPoP {bound}")));
    door.assert_nothing_gained("a bound token");
}

/// The device's name is the person's, whatever the form says (and says twice).
#[tokio::test(flavor = "multi_thread")]
async fn no_form_names_another_owner() {
    let door = Door::of(Edition::Protocol2).await;
    let grant = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
        &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
        &requested_token_type=urn:ietf:params:oauth:token-type:access_token";
    for label in [
        "bob@sso phone",
        "x%0d%0abob@sso",
        "bob%40sso&client_label=bob%40sso",
        "%F0%9F%93%B1 bob@sso ",
        "",
    ] {
        let code = door.code("ada").await;
        let body =
            format!("{grant}&client_label={label}&subject_token={code}&client_label=bob@sso");
        let head = format!(
            "POST /oauth/token\nHost: {HOST}\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {}",
            body.len()
        );
        let mut client = Client::connect(door.addr()).await;
        client.send_head(&head).await;
        client.send(body.as_bytes()).await;
        assert_eq!(client.response(false).await.status, 200, "{label}");
        let sessions = door.world.standin.sessions();
        let named = sessions.last().and_then(|row| row.label.clone());
        let named = named.expect("a name");
        assert!(named.starts_with("ada@sso"), "{named}");
        assert_eq!(named.matches("@sso").count(), 1, "{named}");
        assert!(
            named.bytes().all(|byte| (b' '..0x7f).contains(&byte)),
            "{named}"
        );
    }
    // Two codes in one form are none.
    let (one, two) = (door.code("ada").await, door.code("bob").await);
    let app: App = door.app(None).await;
    door.forget();
    let form = [("Content-Type: application/x-www-form-urlencoded").to_owned()];
    let body = format!("{grant}&subject_token={one}&subject_token={two}");
    let refused = app.post("/oauth/token", &form, body.as_bytes()).await;
    assert!(matches!(refused.status, 400 | 401), "{}", refused.status);
    door.assert_untouched("two codes");
}
