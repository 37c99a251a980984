//! Authentication (contract §3) and administration of sessions (contract §4).

use serde_json::Value;

use crate::client::Client;
use crate::room::Room;

const PATH: &str = "/api/auth/session";
const UNPAIRED: &str = r#"{"authenticated":false,"auth":{"policy":"loopback-browser","bootstrapMethods":["one-time-token"],"sessionMethods":["browser-session-cookie","bearer-access-token","dpop-access-token"],"sessionCookieName":"t3_session"}}"#;

async fn authenticated(client: &mut Client, lines: &str) -> bool {
    client.ask(&format!("GET {PATH}"), lines, "").await.json()["authenticated"] == Value::Bool(true)
}

#[tokio::test]
async fn without_a_session_the_response_has_these_217_bytes() {
    let room = Room::new();
    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    for cookie in ["", "Cookie: t3_session=garbage\r\n"] {
        let reply = client.ask(&format!("GET {PATH}"), cookie, "").await;
        assert_eq!(
            (reply.status, reply.text(), reply.body.len()),
            (200, UNPAIRED, 217)
        );
        assert_eq!(reply.header("cache-control"), None);
    }
}

#[tokio::test]
async fn with_a_session_the_response_has_t3_s_order() {
    let room = Room::new();
    let server = room.server().await;
    let token = server.issue_browser_session("alice").expect("writes");
    let mut client = Client::to(server.addr()).await;
    let lines = format!("Cookie: a=b; t3_session={token}\r\n");
    let reply = client.ask(&format!("GET {PATH}"), &lines, "").await;
    let expires = reply.json()["expiresAt"]
        .as_str()
        .expect("a date")
        .to_owned();
    let start = UNPAIRED.replace("\"authenticated\":false", "\"authenticated\":true");
    let scopes = r#"["orchestration:read","orchestration:operate","terminal:operate","review:write","relay:read"]"#;
    let expected = format!(
        r#"{},"scopes":{scopes},"sessionMethod":"browser-session-cookie","expiresAt":"{expires}"}}"#,
        start.strip_suffix('}').expect("an object")
    );
    assert_eq!(reply.text(), expected);
}

#[tokio::test]
async fn the_first_cookie_decides() {
    let room = Room::new();
    let server = room.server().await;
    let token = server.issue_browser_session("alice").expect("writes");
    let mut client = Client::to(server.addr()).await;
    for (lines, expected) in [
        (format!("Authorization: Bearer {token}\r\n"), true),
        (format!("Cookie: t3_session=\"{token}\"\r\n"), true),
        (
            format!("Cookie: t3_session={token}; t3_session=bad\r\n"),
            true,
        ),
        (
            format!("Cookie: t3_session=bad; t3_session={token}\r\n"),
            false,
        ),
        (
            format!("Cookie: t3_session=bad\r\nAuthorization: Bearer {token}\r\n"),
            false,
        ),
        (format!("Cookie: t3_session={token}x\r\n"), false),
    ] {
        assert_eq!(
            authenticated(&mut client, &lines).await,
            expected,
            "{lines}"
        );
    }
}

#[tokio::test]
async fn sessions_survive_the_server_and_end_by_the_cli() {
    let room = Room::new();
    let server = room.server().await;
    let output = room.run(&["auth", "session", "issue", "--json"]).await;
    let issued: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = format!(
        "Cookie: t3_session={}\r\n",
        issued["token"].as_str().expect("text")
    );
    assert!(authenticated(&mut Client::to(server.addr()).await, &lines).await);
    server.stop().await;

    let server = room.server().await;
    let mut client = Client::to(server.addr()).await;
    assert!(authenticated(&mut client, &lines).await);
    room.run(&[
        "auth",
        "session",
        "revoke",
        issued["sessionId"].as_str().expect("text"),
    ])
    .await;
    assert!(!authenticated(&mut client, &lines).await);
    assert!(server.sessions()[0].revoked);
    server.wipe_sessions();
    assert!(server.sessions().is_empty());
}

#[tokio::test]
async fn clients_are_listed_and_revoked() {
    let room = Room::new();
    let server = room.server().await;
    let admin = server.issue_administrative_session("hub").expect("writes");
    server.issue_browser_session("alice").expect("writes");
    let lines = format!("Authorization: Bearer {admin}\r\n");
    let mut client = Client::to(server.addr()).await;
    let listed = client.ask("GET /api/auth/clients", &lines, "").await.json();
    assert_eq!(
        (&listed[0]["current"], &listed[1]["client"]["label"]),
        (&true.into(), &"alice".into())
    );

    let own = format!(r#"{{"sessionId":{}}}"#, listed[0]["sessionId"]);
    let reply = client.post("/api/auth/clients/revoke", &lines, &own).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("current_session_revoke_not_allowed"));
    let other = format!(r#"{{"sessionId":{}}}"#, listed[1]["sessionId"]);
    let revoke = "/api/auth/clients/revoke";
    assert_eq!(
        client.post(revoke, &lines, &other).await.text(),
        r#"{"revoked":true}"#
    );
    assert_eq!(
        client.post(revoke, &lines, &other).await.text(),
        r#"{"revoked":false}"#
    );
    let others = client
        .ask("POST /api/auth/clients/revoke-others", &lines, "")
        .await;
    assert_eq!(others.text(), r#"{"revokedCount":0}"#);
}
