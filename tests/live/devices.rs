//! A device's session on the real t3: what its list calls it, and how its socket ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_dispatcher::access::session_label::device_label;

use crate::common::app::{App, ORIGINS};
use crate::common::process::{self, Process};
use crate::common::{Client, request};
use crate::t3::{CLI_RUNS, T3};
use crate::tab::Tab;

const FORM: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
    &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
    &requested_token_type=urn:ietf:params:oauth:token-type:access_token";

/// How long the socket of a revoked session may stay open, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(15 + 2);

/// What t3's CLI prints for `args`, as JSON.
async fn cli(t3: &T3, args: &[&str]) -> Value {
    let mut command = t3.cli();
    command.args(["auth"]).args(args).arg("--json");
    let run = tokio::task::spawn_blocking(move || process::output_within(&mut command, CLI_RUNS));
    let run = run.await.expect("no panic");
    assert!(run.status.success(), "{run:?}");
    serde_json::from_slice(&run.stdout).expect("JSON")
}

async fn post(to: SocketAddr, head: &str, content_type: &str, body: &str) -> Value {
    let length = body.len();
    let head = format!("POST {head}\nContent-Type: {content_type}\nContent-Length: {length}");
    let mut client = Client::connect(to).await;
    client.send_head(&head).await;
    client.send(body.as_bytes()).await;
    let response = client.response(false).await;
    assert_eq!(response.status, 200, "{head}: {}", response.text());
    response.json()
}

/// The token of a device that pairs under `label`.
async fn pair(t3: &T3, to: SocketAddr, label: &str) -> String {
    let minted = cli(t3, &["pairing", "create", "--label", label]).await;
    let credential = minted["credential"].as_str().expect("a credential");
    let form = format!("{FORM}&subject_token={credential}&client_label=Pixel");
    let form_type = "application/x-www-form-urlencoded";
    let token = post(to, "/oauth/token", form_type, &form).await;
    token["access_token"].as_str().expect("a token").to_owned()
}

async fn ticket(to: SocketAddr, token: &str) -> String {
    let head = format!("/api/auth/websocket-ticket\nAuthorization: Bearer {token}");
    let issued = post(to, &head, "application/json", "").await;
    issued["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_ticket_s_socket_ends_within_fifteen_seconds_of_its_session() {
    let t3 = T3::start().await;
    let admin = cli(&t3, &["session", "issue", "--label", "by hand"]).await;
    let admin = admin["token"].as_str().expect("a token");
    let dispatcher = Process::start(t3.dispatcher().args(["--identity-header", "X-User"]));
    let to = dispatcher.addr;
    let long = "l".repeat(140);
    let labels = [
        device_label("ada lovelace", "Ada\u{2019}s  Pixel 9"),
        device_label(&long, &"n".repeat(60)),
    ];
    let mut sockets = Vec::new();
    for label in &labels {
        let token = pair(&t3, to, label).await;
        sockets.push(Tab::open_by_ticket(to, &ticket(to, &token).await).await);
    }
    let bearer = format!("Authorization: Bearer {admin}");
    let head = format!("GET /api/auth/clients\n{bearer}");
    let clients = request(t3.addr, &head).await.json();
    let clients = clients.as_array().expect("a list");
    for label in &labels {
        let is_it = |client: &&Value| client["client"]["label"] == **label;
        assert!(
            clients.iter().any(|client| is_it(&client)),
            "{label}: {clients:#?}"
        );
    }
    let is_it = |client: &&Value| client["client"]["label"] == *labels[0];
    let revoked = clients.iter().find(is_it).expect("found above");
    let body = serde_json::json!({"sessionId": revoked["sessionId"]}).to_string();
    let head = format!("/api/auth/clients/revoke\n{bearer}");
    let start = Instant::now();
    let answer = post(t3.addr, &head, "application/json", &body).await;
    assert_eq!(answer["revoked"], true);
    let mut other = sockets.pop().expect("two");
    sockets.pop().expect("two").ended().await;
    println!(
        "the socket ended {:?} after the revocation",
        start.elapsed()
    );
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(other.ping().await["_tag"], "Pong");
    other.close().await;
    t3.finish().await;
}

/// A code that an administrator has t3 mint in its settings, by the public door.
async fn code(t3: &T3, to: SocketAddr, admin: &str) -> String {
    let session = request(t3.addr, "GET /api/auth/session").await.json();
    let name = session["auth"]["sessionCookieName"].as_str();
    let name = name.expect("a name");
    let head = format!("/api/auth/pairing-token\nX-User: ada\nCookie: {name}={admin}");
    let minted = post(to, &head, "application/json", "{}").await;
    minted["credential"].as_str().expect("a code").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn an_app_of_each_origin_goes_its_way_by_the_device_door() {
    let t3 = T3::start().await;
    let admin = cli(&t3, &["session", "issue", "--label", "ada@sso"]).await;
    let admin = admin["token"].as_str().expect("a token");
    let mut command = t3.dispatcher();
    command
        .env("DISPATCHER_DEVICE_PORT", "0")
        .args(["--identity-header", "X-User"]);
    let dispatcher = Process::start(&mut command);
    let door = dispatcher.devices.expect("a door for apps");
    for origin in ORIGINS {
        let code = code(&t3, dispatcher.addr, admin).await;
        let mut app = App::connect(door, "devices.test", origin).await;
        let paired = app.pair(&code, "Phone").await;
        assert_eq!(paired.status, 200, "{}", paired.text());
        assert_eq!(app.clone().pair(&code, "Phone").await.status, 401);
        let mut socket = app.connect_again().await.expect("a socket");
        socket.ping().await;
        let config = socket
            .call("server.getConfig", &serde_json::json!({}))
            .await;
        assert_eq!(config["_tag"], "Success", "{config}");
        for (target, status) in [
            ("/api/auth/session", 200),
            ("/api/orchestration/shell", 200),
            // t3's own words.
            ("/api/orchestration/threads/none", 404),
            ("/api/auth/clients", 403),
            ("/api/assets/none.none/a.png", 404),
        ] {
            let response = app.call(target).await;
            assert_eq!(response.status, status, "{target}: {}", response.text());
        }
        let ticket = app.ticket().await.expect("a ticket");
        let hub = format!("/api/device-hub/api/devices?wsTicket={ticket}");
        let hub = app.get(&hub, &[]).await;
        assert_eq!(hub.text(), "Device hub is not running");
        assert_eq!(app.call("/mcp").await.json()["error"], "not_found");
        socket.close().await;
    }
    let clients = cli(&t3, &["session", "list"]).await;
    let clients = clients.as_array().expect("a list").iter();
    let named = clients.filter(|client| client["client"]["label"] == "ada@sso Phone");
    assert_eq!(named.count(), ORIGINS.len());
    drop(dispatcher);
    t3.finish().await;
}
