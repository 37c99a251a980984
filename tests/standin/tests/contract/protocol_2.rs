//! Protocol 2: authentication and the API (contract §2 to §4).

use serde_json::{Value, json};
use t3_standin::edition::Edition;
use t3_standin::server::{Options, Standin};

use crate::client::{Client, Reply};
use crate::room::Room;

const EXCHANGE: &str = "/api/auth/browser-session";
const SESSION: &str = "/api/auth/session";

pub(crate) const STANDARD: [&str; 12] = [
    "orchestration:read",
    "orchestration:operate",
    "settings:write",
    "providers:manage",
    "environment:maintain",
    "preview:operate",
    "diagnostics:read",
    "terminal:read",
    "terminal:operate",
    "source-control:write",
    "filesystem:read",
    "filesystem:write",
];

/// The token and the cookie pair of an exchange's response.
pub(crate) fn cookie(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

async fn exchanged(client: &mut Client, server: &Standin, lines: &str) -> Reply {
    let credential = server.pairing_credential(Some("bob")).expect("writes");
    let body = json!({ "credential": credential }).to_string();
    client.post(EXCHANGE, lines, &body).await
}

async fn is_authenticated(client: &mut Client, cookie: &str) -> bool {
    let lines = format!("Cookie: {cookie}\r\n");
    let reply = client.ask(&format!("GET {SESSION}"), &lines, "").await;
    reply.json()["authenticated"] == true
}

#[tokio::test]
async fn a_session_has_twelve_permissions_and_the_scopes_of_before() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let reply = exchanged(&mut client, &server, "").await;
    assert_eq!(reply.status, 200);
    let coarse = [
        "orchestration:read",
        "orchestration:operate",
        "terminal:operate",
    ];
    let json = reply.json();
    assert_eq!(
        (&json["scopes"], &json["permissions"]),
        (&json!(coarse), &json!(STANDARD))
    );
    let names = "content-type content-length vary access-control-allow-origin cache-control pragma set-cookie Date \
                 Connection Keep-Alive";
    assert_eq!(reply.names().join(" "), names);

    let lines = format!("Cookie: {}\r\n", cookie(&reply));
    let session = client
        .ask(&format!("GET {SESSION}"), &lines, "")
        .await
        .json();
    assert_eq!(session["permissions"], json!(STANDARD));
    assert_eq!(session["scopes"], json!(coarse));
}

/// `t3_session_<port>_<hash of the directory>` on the loopback, where the name of before counts for nothing.
#[tokio::test]
async fn the_cookie_s_name_carries_port_and_directory() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let cookie = cookie(&exchanged(&mut client, &server, "").await);
    let (name, token) = cookie.split_once('=').expect("a pair");
    let prefix = format!("t3_session_{}_", server.addr().port());
    let hash = name.strip_prefix(&prefix).expect("port and hash");
    assert!(
        hash.len() == 12 && hash.bytes().all(|c| c.is_ascii_hexdigit()),
        "{name}"
    );
    let advertised = client.get(SESSION).await.json();
    assert_eq!(advertised["auth"]["sessionCookieName"], name);
    assert!(is_authenticated(&mut client, &cookie).await);
    assert!(!is_authenticated(&mut client, &format!("t3_session={token}")).await);
}

/// Where it can be reached from elsewhere the name of before is read last, and replaced.
#[tokio::test]
async fn a_remote_server_takes_the_cookie_of_before() {
    let room = Room::new();
    let mut options = Options::of(Edition::Protocol2, room.path());
    options.listen.set_ip([0, 0, 0, 0].into());
    let server = Standin::start(options).await.expect("starts");
    let mut client = Client::to(([127, 0, 0, 1], server.addr().port()).into()).await;
    let new = cookie(&exchanged(&mut client, &server, "").await);
    let (name, token) = new.split_once('=').expect("a pair");
    assert_eq!(name.len(), "t3_session_".len() + 12, "{name}");
    let lines = format!("Cookie: t3_session={token}\r\n");
    let reply = client.ask(&format!("GET {SESSION}"), &lines, "").await;
    assert_eq!(reply.json()["authenticated"], true);
    assert_eq!(
        (cookie(&reply), reply.header("cache-control")),
        (new.clone(), Some("no-store"))
    );
    let lines = format!("Cookie: {name}=bad; t3_session={token}\r\n");
    let reply = client.ask(&format!("GET {SESSION}"), &lines, "").await;
    assert_eq!(reply.json()["authenticated"], false, "the new name first");
}

#[tokio::test]
async fn an_exchange_revokes_the_session_whose_cookie_it_carries() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let first = cookie(&exchanged(&mut client, &server, "").await);
    let bearer = format!(
        "Authorization: Bearer {}\r\n",
        first.split_once('=').expect("a pair").1
    );
    exchanged(&mut client, &server, &bearer).await;
    assert!(
        is_authenticated(&mut client, &first).await,
        "a Bearer token is not replaced"
    );

    let lines = format!("Cookie: {first}\r\n");
    let second = cookie(&exchanged(&mut client, &server, &lines).await);
    assert!(!is_authenticated(&mut client, &first).await);
    assert!(is_authenticated(&mut client, &second).await);
    let dead = exchanged(&mut client, &server, &lines).await;
    assert_eq!(dead.status, 200, "a dead one is ignored");
    assert!(is_authenticated(&mut client, &second).await);

    let refused = client
        .post(
            EXCHANGE,
            &format!("Cookie: {second}\r\n"),
            r#"{"credential":"X"}"#,
        )
        .await;
    assert_eq!(refused.status, 401);
    assert!(is_authenticated(&mut client, &second).await);
}

#[tokio::test]
async fn minting_validates_names_of_scopes() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let admin = server.issue_administrative_session("hub").expect("writes");
    let admin = format!("Authorization: Bearer {admin}\r\n");
    let user = server.issue_browser_session("bob").expect("writes");
    let user = format!("Authorization: Bearer {user}\r\n");
    for (lines, body, status, said) in [
        ("", r#"{"scopes":["nope"]}"#, 401, "missing_credential"),
        (&user[..], r#"{"scopes":["nope"]}"#, 400, ""),
        (
            &user,
            "{}",
            403,
            r#""requiredScope":"access:write","requiredPermission":"access:write""#,
        ),
        (&admin, "", 400, ""),
        (&admin, r#"{"scopes":["review:write"]}"#, 400, ""),
        (&admin, r#"{"scopes":[]}"#, 400, "invalid_scope"),
        (
            &admin,
            r#"{"scopes":["access:read","access:read"]}"#,
            400,
            "invalid_scope",
        ),
        (&admin, r#"{"scopes":["terminal:read"]}"#, 200, "credential"),
    ] {
        let reply = client.post("/api/auth/pairing-token", lines, body).await;
        assert_eq!(reply.status, status, "{body}");
        assert!(reply.text().contains(said), "{body}: {reply:?}");
        assert!(
            !said.is_empty() || reply.body.is_empty(),
            "{body}: {reply:?}"
        );
    }
    let links = client
        .ask("GET /api/auth/pairing-links", &admin, "")
        .await
        .json();
    assert_eq!(links[0]["permissions"], json!(["terminal:read"]));
    assert_eq!(
        (&links[0]["scopes"], &links[0]["credential"]),
        (&json!([]), &Value::Null)
    );
    let clients = client.ask("GET /api/auth/clients", &admin, "").await.json();
    assert_eq!(clients[0]["permissions"].as_array().map(Vec::len), Some(14));
}

#[tokio::test]
async fn a_form_exchanges_a_credential_for_a_bearer_token() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let credential = server.pairing_credential(None).expect("writes");
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={credential}\
         &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
         &requested_token_type=urn:ietf:params:oauth:token-type:access_token&client_device_type=mobile"
    );
    let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (scope, status, said) in [
        ("&scope=nope", 400, "invalid_scope"),
        ("&scope=access:write", 400, "scope_not_granted"),
        (
            "&scope=nope+orchestration:read",
            200,
            r#""scope":"orchestration:read""#,
        ),
        ("", 401, "invalid_credential"),
    ] {
        let reply = client
            .ask("POST /oauth/token", lines, &format!("{form}{scope}"))
            .await;
        assert!(
            reply.status == status && reply.text().contains(said),
            "{scope}: {reply:?}"
        );
        if status == 200 {
            let json = reply.json();
            assert_eq!(
                (&json["token_type"], reply.header("cache-control")),
                (&json!("Bearer"), Some("no-store"))
            );
            let bearer = format!(
                "Authorization: Bearer {}\r\n",
                json["access_token"].as_str().expect("text")
            );
            let session = client
                .ask(&format!("GET {SESSION}"), &bearer, "")
                .await
                .json();
            assert_eq!(session["sessionMethod"], "bearer-access-token");
        }
    }
}

#[tokio::test]
async fn the_shell_needs_a_session_and_the_protocol_s_header() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let mut client = Client::to(server.addr()).await;
    let admin = server.issue_administrative_session("hub").expect("writes");
    let admin = format!("Authorization: Bearer {admin}\r\n");
    for (lines, status) in [
        ("x-t3-orchestration-protocol: 2\r\n".to_owned(), 401),
        (admin.clone(), 400),
        (format!("{admin}x-t3-orchestration-protocol: 1\r\n"), 400),
        (format!("{admin}x-t3-orchestration-protocol: 2\r\n"), 200),
    ] {
        let reply = client.ask("GET /api/orchestration/shell", &lines, "").await;
        assert_eq!(reply.status, status, "{lines}");
    }
    let preflight = client.ask("OPTIONS /any", "Origin: http://x\r\n", "").await;
    let headers = preflight
        .header("access-control-allow-headers")
        .expect("headers");
    assert!(
        headers.ends_with(",x-t3-orchestration-protocol"),
        "{headers}"
    );
    let descriptor = client.get("/.well-known/t3/environment").await.json();
    assert_eq!(descriptor["orchestrationProtocolVersion"], 2);
}

/// Silent, then held, then every request that was held is answered (contract §7).
#[tokio::test]
async fn a_start_is_silent_and_then_holds_requests() {
    let room = Room::new();
    let mut options = Options::of(Edition::Protocol2, room.path());
    options.faults.silent_start_ms = 100;
    options.faults.held_start_ms = 200;
    let begun = std::time::Instant::now();
    let server = Standin::start(options).await.expect("starts");
    let mut unanswered = Client::to(server.addr()).await;
    unanswered.send("GET / HTTP/1.1\r\nHost: t3\r\n\r\n").await;
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    let descriptor = Client::to(server.addr())
        .await
        .get("/.well-known/t3/environment")
        .await;
    assert_eq!(descriptor.status, 200);
    assert!(begun.elapsed().as_millis() >= 290, "{:?}", begun.elapsed());
    assert!(unanswered.unread.is_empty());
    let late = tokio::time::timeout(
        std::time::Duration::from_millis(50),
        unanswered.reply(false),
    )
    .await;
    assert!(late.is_err(), "what came in silence stays unanswered");
}
