//! The real t3 and the stand-in of its edition are asked the same questions: where their answers differ, the stand-in is
//! wrong.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use t3_standin::edition::Edition;
use t3_standin::server::{Options, Standin};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::common::http::Response;
use crate::common::process::output;
use crate::common::{Client, HANDSHAKE, PATIENCE, cli_in};
use crate::described::{described, mask};
use crate::questions::{API, COOKIE_BYTES, Question, RAW, SESSIONS, SOCKETS, STATIC_FILES};
use crate::t3::T3;

const FORM: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
    &subject_token_type=urn:t3:params:oauth:token-type:environment-bootstrap\
    &requested_token_type=urn:ietf:params:oauth:token-type:access_token";

/// A call of a method that there is not, and one that a guest may not make: a turn.
const UNKNOWN_CALL: &str =
    r#"{"_tag":"Request","id":"1","tag":"nosuch","payload":{},"headers":[]}"#;
pub(crate) const TURN: &str = r#"{"_tag":"Request","id":"2","tag":"orchestration.dispatchCommand","payload":{"type":"thread.turn.start","commandId":"c","threadId":"t","message":{"messageId":"m","role":"user","text":"hi","attachments":[]},"runtimeMode":"full-access","interactionMode":"default","createdAt":"2026-11-29T00:00:00.000Z"},"headers":[]}"#;

/// One of the two that are asked.
struct Asked {
    addr: SocketAddr,
    /// What stands for what is in braces.
    own: HashMap<&'static str, String>,
}

impl Asked {
    /// Pairs with it, as `cli` runs its CLI.
    async fn new(addr: SocketAddr, cli: impl Fn(&[&str]) -> Value) -> Asked {
        let issued = cli(&["auth", "session", "issue", "--json"]);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let mut asked = Asked {
            addr,
            own: HashMap::new(),
        };
        asked.own.insert("admin", text(&issued["token"]));
        asked.own.insert("own", text(&issued["sessionId"]));
        asked.own.insert("form", FORM.to_owned());
        asked.own.insert("handshake", HANDSHAKE.to_owned());
        let credential =
            text(&cli(&["auth", "pairing", "create", "--json", "--label", "alice"])["credential"]);
        let body = format!(r#"{{"credential":"{credential}"}}"#);
        let paired = asked
            .send("POST /api/auth/browser-session", &body)
            .await
            .cookie();
        let name = paired.split('=').next().unwrap_or_default().to_owned();
        asked.own.insert("name", name);
        asked.own.insert("cookie", paired);
        let page = asked.send("GET /", "").await.text();
        let script = page
            .split('"')
            .find(|part| part.starts_with("/assets/") && part.ends_with(".js"));
        asked
            .own
            .insert("script", script.expect("a script").to_owned());
        let script = asked.send("GET {script}", "").await;
        asked.own.insert("etag", script.header("etag"));
        asked.own.insert("modified", script.header("last-modified"));
        let ticket = asked
            .send("POST /api/auth/websocket-ticket\nCookie: {cookie}", "")
            .await;
        asked.own.insert("ticket", text(&ticket.json()["ticket"]));
        for (name, scope) in [
            ("guest", "orchestration:read"),
            ("stranger", "terminal:operate"),
        ] {
            let token = asked.token_of(scope).await;
            asked.own.insert(name, token);
        }
        asked
    }

    /// A Bearer token of that scope alone.
    async fn token_of(&self, scope: &str) -> String {
        let minted = self
            .send(
                "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
                &format!(r#"{{"scopes":["{scope}"]}}"#),
            )
            .await
            .json();
        let credential = minted["credential"].as_str().expect("text");
        let exchanged = self
            .send(
                "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded",
                &format!("{FORM}&subject_token={credential}"),
            )
            .await
            .json();
        let token = exchanged["access_token"].as_str();
        token.expect("a token").to_owned()
    }

    /// The answer in the words of [`described`].
    async fn answer(&mut self, question: &Question) -> String {
        if question.body.contains("{credential}") {
            let minted = self
                .send(
                    "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
                    "{}",
                )
                .await;
            let credential = minted.json()["credential"]
                .as_str()
                .expect("text")
                .to_owned();
            self.own.insert("credential", credential);
        }
        let mut client = Client::connect(self.addr).await;
        let response = self
            .send_on(&mut client, question.head, question.body)
            .await;
        let ends = response.status != 101
            && (question.head.contains("Upgrade") || response.header("connection") == "close");
        let rest = match ends {
            true => client.rest().await,
            false => Vec::new(),
        };
        format!(
            "{}{}",
            described(&response),
            if rest.is_empty() {
                ""
            } else {
                "bytes behind it\n"
            }
        )
    }

    async fn send(&self, head: &str, body: &str) -> Response {
        let mut client = Client::connect(self.addr).await;
        self.send_on(&mut client, head, body).await
    }

    /// A WebSocket that is open.
    async fn socket(&self, token: &str) -> Client {
        let mut client = Client::connect(self.addr).await;
        let upgrade = format!("GET /ws\n{{handshake}}\nAuthorization: Bearer {token}");
        assert_eq!(self.send_on(&mut client, &upgrade, "").await.status, 101);
        client
    }

    async fn send_on(&self, client: &mut Client, head: &str, body: &str) -> Response {
        let (mut head, mut body) = (head.to_owned(), body.to_owned());
        for (name, value) in &self.own {
            head = head.replace(&format!("{{{name}}}"), value);
            body = body.replace(&format!("{{{name}}}"), value);
        }
        if head.starts_with("POST") {
            if !head.contains("Content-Type") {
                head.push_str("\nContent-Type: application/json");
            }
            head.push_str(&format!("\nContent-Length: {}", body.len()));
        }
        client.send_head(&head).await;
        client.send(body.as_bytes()).await;
        client.response(head.starts_with("HEAD ")).await
    }
}

/// What the WebSocket of a guest says to a ping, to what is no message, to both in binary frames, and to calls.
async fn said(asked: &Asked) -> String {
    // The questions have revoked all but one.
    let guest = asked.token_of("orchestration:read").await;
    let client = asked.socket(&guest).await;
    let socket = WebSocketStream::from_raw_socket(client.stream, Role::Client, None);
    let mut socket = socket.await;
    let mut told = String::new();
    let ping = r#"{"_tag":"Ping"}"#;
    for message in [
        Message::text(ping),
        Message::text("no"),
        Message::binary(ping),
        Message::binary("no"),
        Message::text(UNKNOWN_CALL),
        Message::text(TURN),
    ] {
        socket.send(message).await.expect("an open socket");
        let said = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("in time");
        let mut said: Value = match said.expect("open").expect("a frame") {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        };
        if let Some(message) = said.pointer_mut("/defect/message") {
            *message = "a text".into();
        }
        told.push_str(&format!("{said}\n"));
    }
    let revoke = "POST /api/auth/clients/revoke-others\nAuthorization: Bearer {admin}";
    asked.send(revoke, "").await;
    told
}

/// The command's output, which is JSON.
fn json(mut command: Command, args: &[&str]) -> Value {
    let output = output(command.args(args));
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Where the answers of the two differ.
#[derive(Default)]
struct Differences {
    asked: usize,
    told: Vec<String>,
}

impl Differences {
    fn compare(&mut self, question: &str, real: &str, like: &str) {
        self.asked += 1;
        if real != like {
            let question: String = question.chars().take(300).collect();
            let told = format!("{question}\n--- t3\n{real}--- the stand-in\n{like}");
            self.told.push(told);
        }
    }

    async fn ask(&mut self, question: &Question, real: &mut Asked, like: &mut Asked) {
        let (real, like) = (real.answer(question).await, like.answer(question).await);
        self.compare(
            &format!("{} {}", question.head, question.body),
            &real,
            &like,
        );
    }

    /// Asks by bytes that are sent as they are.
    async fn ask_raw(&mut self, bytes: &str, real: &Asked, like: &Asked) {
        let mut answers = Vec::new();
        for asked in [real, like] {
            let mut client = Client::connect(asked.addr).await;
            client.send(bytes.as_bytes()).await;
            answers.push(described(&client.response(false).await));
        }
        self.compare(bytes, &answers[0], &answers[1]);
    }
}

const CLI: [&[&str]; 4] = [
    &[
        "auth",
        "pairing",
        "create",
        "--json",
        "--label",
        "alice",
        "--base-url",
        "https://h.test/x",
    ],
    &["auth", "session", "issue", "--json", "--ttl", "1h"],
    &["auth", "session", "list", "--json"],
    &["auth", "pairing", "list", "--json"],
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn the_stand_in_answers_as_the_real_one() {
    let t3 = T3::start().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let base_dir = folder.path().join("t3");
    let standin = Standin::start(Options::of(Edition::September, &base_dir)).await;
    let standin = standin.expect("a free port");
    let bin = cli_in(folder.path());
    let standin_cli = || {
        let mut command = Command::new(&bin);
        command.env("T3CODE_HOME", &base_dir);
        command
    };
    let mut real = Asked::new(t3.addr, |args| json(t3.cli(), args)).await;
    let mut like = Asked::new(standin.addr(), |args| json(standin_cli(), args)).await;

    let mut differences = Differences::default();
    // The last ones revoke sessions.
    for question in [STATIC_FILES, API, SOCKETS, SESSIONS].into_iter().flatten() {
        differences.ask(question, &mut real, &mut like).await;
    }
    for raw in RAW {
        differences.ask_raw(raw, &real, &like).await;
    }
    for bytes in COOKIE_BYTES {
        let cookie = "x".repeat(bytes);
        let raw = format!("GET / HTTP/1.1\r\nHost: t3\r\nCookie: {cookie}\r\n\r\n");
        differences.ask_raw(&raw, &real, &like).await;
    }
    differences.compare("messages over /ws", &said(&real).await, &said(&like).await);
    for args in CLI {
        let (mut real, mut like) = (json(t3.cli(), args), json(standin_cli(), args));
        mask(&mut real);
        mask(&mut like);
        differences.compare(
            &args.join(" "),
            &format!("{real:#}\n"),
            &format!("{like:#}\n"),
        );
    }
    // t3 waits for a client that does not close when it does (contract §11).
    let real = tokio::spawn(last_words(real.socket("{admin}").await));
    t3.finish().await;
    let like = tokio::spawn(last_words(like.socket("{admin}").await));
    standin.stop().await;
    let (real, like) = (real.await.expect("no panic"), like.await.expect("no panic"));
    differences.compare("SIGTERM with an open WebSocket", &real, &like);

    println!("asked {} questions", differences.asked);
    let told = differences.told;
    assert!(
        told.is_empty(),
        "{} differ:\n{}",
        told.len(),
        told.join("\n")
    );
}

/// What comes over an open WebSocket when t3 stops: a close frame, a response, the end (contract §7).
async fn last_words(mut client: Client) -> String {
    let rest = client.rest().await;
    let lines = String::from_utf8_lossy(&rest).into_owned();
    let date = |line: &str| line.starts_with("Date: ");
    let lines = lines
        .split("\r\n")
        .map(|line| if date(line) { "Date" } else { line });
    format!("{:?}\n", lines.collect::<Vec<_>>())
}
