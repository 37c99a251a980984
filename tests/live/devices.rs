//! A device's session on the real t3: what its list calls it, and how its socket ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_dispatcher::access::session_label::device_label;

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
