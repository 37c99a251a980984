//! What the log tells of each person who is paired or refused, at its default level.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::process::{Process, standin_and_command};
use crate::common::{HANDSHAKE, PAGE, request};

/// The line of `log` with `message`, the only one.
fn only<'a>(log: &'a [Value], message: &str) -> &'a Value {
    let found: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == message)
        .collect();
    assert_eq!(found.len(), 1, "{message}: {log:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_paired_and_who_is_refused_is_told_with_the_reason() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(
        command
            .env("LOG_FORMAT", "json")
            .env("DISPATCHER_GATE", "authentik")
            .env("DISPATCHER_ALLOWED_USERS", "ada")
            .env("DISPATCHER_SIGN_OUT_URL", "https://auth.test/out?a=1&b=2"),
    );
    let ask = async |name: &str, head: &str| {
        let from = "X-Forwarded-For: 198.51.100.7";
        let head = format!("{head}\n{from}\nX-Request-Id: {name}");
        request(process.addr, &head).await
    };
    let ada = "X-authentik-username: ada";
    let paired = ask("a-pairing", &format!("GET /\n{PAGE}\n{ada}")).await;
    assert_eq!(paired.status, 302);
    let cookie = paired.cookie();
    let (_, token) = cookie.split_once('=').expect("a cookie");
    let page = format!("GET /\n{PAGE}");
    let foreign = format!("GET /ws\n{HANDSHAKE}\n{ada}\nOrigin: https://evil.test");
    for (name, head, status) in [
        (
            "not-let-in",
            format!("{page}\nX-authentik-username: eve"),
            403,
        ),
        ("nobody", page, 403),
        ("foreign", foreign, 403),
        (
            "as-token",
            format!("GET /api/x\nAuthorization: Bearer {token}"),
            401,
        ),
    ] {
        let response = ask(name, &head).await;
        assert_eq!(response.status, status, "{name}");
        let leads_out = "<a href=\"https://auth.test/out?a=1&amp;b=2\">Sign out</a>";
        assert_eq!(
            response.text().contains(leads_out),
            name == "not-let-in",
            "{name}"
        );
    }
    process.signal(Signal::TERM);
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(token), "nothing secret is told");
    let log: Result<Vec<Value>, _> = log.lines().map(serde_json::from_str).collect();
    let log = log.expect("JSON");
    for (message, name, user) in [
        ("paired", "a-pairing", Some("ada")),
        ("refused: the user is not let in", "not-let-in", Some("eve")),
        ("refused: the request names nobody", "nobody", None),
        (
            "refused: a WebSocket of another origin",
            "foreign",
            Some("ada"),
        ),
        (
            "refused: a session cookie's value as a token",
            "as-token",
            None,
        ),
    ] {
        let line = only(&log, message);
        assert_eq!(line["level"], "INFO", "{message}");
        assert_eq!(line["request_id"], name, "{message}");
        assert_eq!(line["ip"], "198.51.100.7", "{message}");
        assert_eq!(line["user"].as_str(), user, "{message}");
    }
}
