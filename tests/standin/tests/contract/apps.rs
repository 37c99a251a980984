//! What apps ask besides pairing: their routes, each with what it needs (contract §4 to §6, §12).

use serde_json::json;
use t3_standin::edition::Edition;
use t3_standin::server::Standin;

use crate::client::{Client, Reply};
use crate::room::Room;

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const PROTOCOL: &str = "x-t3-orchestration-protocol: 2\r\n";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    /// A token without a right that any of these needs.
    Stranger,
    /// A token of `orchestration:read` alone.
    Guest,
    User,
}

const EVERYBODY: [Who; 4] = [Who::Nobody, Who::Stranger, Who::Guest, Who::User];

async fn token(server: &Standin, scopes: Option<&str>) -> String {
    let mut client = Client::to(server.addr()).await;
    let credential = server.pairing_credential(None).expect("writes");
    let scopes = scopes.map_or(String::new(), |scopes| format!("&scope={scopes}"));
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={credential}\
         &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
         &requested_token_type=urn:ietf:params:oauth:token-type:access_token{scopes}"
    );
    let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
    let reply = client.ask("POST /oauth/token", lines, &form).await;
    let token = reply.json()["access_token"].take();
    token.as_str().expect("a token").to_owned()
}

async fn ticket(server: &Standin, token: &str) -> String {
    let mut client = Client::to(server.addr()).await;
    let lines = format!("Authorization: Bearer {token}\r\n");
    let target = "POST /api/auth/websocket-ticket";
    let ticket = client.ask(target, &lines, "").await.json()["ticket"].take();
    ticket.as_str().expect("a ticket").to_owned()
}

/// The four tokens of [`EVERYBODY`].
async fn tokens(server: &Standin) -> [String; 4] {
    [
        String::new(),
        token(server, Some("terminal:operate")).await,
        token(server, Some("orchestration:read")).await,
        token(server, None).await,
    ]
}

async fn asked(server: &Standin, request: &str, lines: &str, body: &str) -> Reply {
    Client::to(server.addr())
        .await
        .ask(request, lines, body)
        .await
}

#[tokio::test]
async fn each_route_of_protocol_2_needs_its_scope() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    server.set_faults(|faults| faults.shell_threads = json!([{ "id": "t1" }]).to_string());
    let tokens = tokens(&server).await;
    for (request, body, statuses) in [
        ("GET /api/orchestration/shell", "", [401, 403, 200, 200]),
        (
            "GET /api/orchestration/threads/t1",
            "",
            [401, 403, 200, 200],
        ),
        (
            "GET /api/orchestration/threads/t1/bounded?compactTurnItems=1",
            "",
            [401, 403, 200, 200],
        ),
        (
            "GET /api/orchestration/threads/t1/history?cursor=",
            "",
            [401, 403, 200, 200],
        ),
        (
            "GET /api/orchestration/threads/t2",
            "",
            [401, 403, 404, 404],
        ),
        ("GET /api/projects", "", [401, 200, 200, 200]),
        ("POST /api/pull-requests/diff", "{}", [401, 400, 400, 400]),
        (
            "POST /api/pull-requests/diff",
            r#"{"number":1}"#,
            [401, 200, 200, 200],
        ),
        ("GET /api/preview-stream/download", "", [401, 403, 200, 200]),
        ("POST /api/preview-stream/upload", "x", [401, 403, 403, 204]),
        ("GET /api/device-hub/api/devices", "", [401, 403, 200, 200]),
        ("PUT /api/device-hub/x", "x", [401, 403, 403, 200]),
    ] {
        for (who, (token, status)) in EVERYBODY.iter().zip(tokens.iter().zip(statuses)) {
            let mut lines = PROTOCOL.to_owned();
            if *who != Who::Nobody {
                lines += &format!("Authorization: Bearer {token}\r\n");
            }
            let reply = asked(&server, request, &lines, body).await;
            assert_eq!(reply.status, status, "{who:?}: {request} {body}");
            let origin = reply.header("access-control-allow-origin");
            assert_eq!(origin, Some("*"), "{request}");
        }
    }
}

#[tokio::test]
async fn a_ticket_stands_for_a_token_at_the_streams() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let tokens = tokens(&server).await;
    for (target, statuses) in [
        ("/ws?orchestrationProtocol=2", [401, 101, 101, 101]),
        ("/api/preview-stream/ws?threadId=a", [401, 403, 101, 101]),
        (
            "/api/preview-stream/ws?threadId=a&interactive=1",
            [401, 403, 403, 101],
        ),
        ("/api/device-hub/api/devices/ws?a=b", [401, 403, 101, 101]),
        (
            "/api/device-hub/vendor/serve-emu/ws?a=b",
            [401, 403, 403, 101],
        ),
        ("/api/preview-stream/download?a=b", [401, 403, 200, 200]),
    ] {
        let lines = if target.contains("download") {
            ""
        } else {
            HANDSHAKE
        };
        for (who, (token, status)) in EVERYBODY.iter().zip(tokens.iter().zip(statuses)) {
            let ticket = match who {
                Who::Nobody => "x.y".to_owned(),
                _ => ticket(&server, token).await,
            };
            let request = format!("GET {target}&wsTicket={ticket}");
            let reply = asked(&server, &request, lines, "").await;
            assert_eq!(reply.status, status, "{who:?}: {target}");
        }
    }
}

#[tokio::test]
async fn a_signed_path_needs_no_session() {
    for edition in [Edition::September, Edition::Protocol2] {
        let room = Room::new();
        let server = room.server_of(edition).await;
        let (file, upload) = (server.asset_path("a/b.png"), server.upload_path(3));
        for (request, body, status) in [
            (format!("GET {file}"), "", 200),
            (format!("HEAD {file}"), "", 200),
            (format!("GET {file}x"), "", 404),
            (
                format!("GET {}", file.replace("/api/assets/", "/api/assets/x")),
                "",
                404,
            ),
            (format!("POST {upload}"), "abc", 204),
            (format!("POST {upload}"), "abcd", 400),
            (format!("POST {upload}x"), "abc", 404),
        ] {
            let reply = asked(&server, &request, "", body).await;
            assert_eq!(reply.status, status, "{request}");
        }
        let reply = asked(&server, &format!("GET {file}"), "", "").await;
        assert_eq!(
            (
                reply.header("cache-control"),
                reply.header("x-content-type-options")
            ),
            (Some("private, max-age=3600"), Some("nosniff"))
        );
    }
}

/// v0.0.42 has a part of them, as measured.
#[tokio::test]
async fn what_september_does_not_have_is_its_page() {
    let room = Room::new();
    let server = room.server_of(Edition::September).await;
    let lines = format!("Authorization: Bearer {}\r\n", token(&server, None).await);
    for (request, body, status, says) in [
        ("GET /api/projects", "", 200, "<!doctype html>"),
        (
            "GET /api/preview-stream/download",
            "",
            200,
            "<!doctype html>",
        ),
        (
            "GET /api/orchestration/threads/x/bounded",
            "",
            200,
            "<!doctype html>",
        ),
        (
            "GET /api/orchestration/threads/x",
            "",
            404,
            "thread_not_found",
        ),
        ("POST /api/preview-stream/upload", "x", 404, ""),
        ("GET /api/device-hub/x", "", 404, "Not Found"),
        (
            "GET /api/device-hub/api/devices",
            "",
            503,
            "Device hub is not running",
        ),
        ("POST /api/pull-requests/diff", "{}", 400, ""),
    ] {
        let reply = asked(&server, request, &lines, body).await;
        assert_eq!(reply.status, status, "{request}");
        assert!(reply.text().contains(says), "{request}: {}", reply.text());
    }
}
