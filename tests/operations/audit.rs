//! What the log tells of each person who is paired or refused, at its default level.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::app::App;
use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, request};

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

/// What stands in `text` between `before` and the next quotation mark.
fn between<'a>(text: &'a str, before: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect(before);
    rest.split('"').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_a_code_made_and_revoked_which_device_is_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(
        command
            .env("LOG_FORMAT", "json")
            .env("DISPATCHER_GATE", "authentik")
            .env("DISPATCHER_DEVICE_PORT", "0"),
    );
    let ada = "X-authentik-username: ada";
    let open = format!("GET /dispatcher/devices\n{PAGE}\n{ada}");
    let page = request(process.addr, &open).await;
    let (cookie, html) = (page.cookie(), page.text());
    let token = between(&html, "name=\"token\" value=\"");
    let send = async |fields: &str| {
        let form = format!("token={token}&{fields}");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let own = format!("{ada}\nOrigin: http://t3.localhost\nCookie: {cookie}\n{kind}");
        let head = format!(
            "POST /dispatcher/devices\n{own}\nContent-Length: {}",
            form.len()
        );
        let mut client = Client::connect(process.addr).await;
        client.send_head(&head).await;
        client.send(form.as_bytes()).await;
        client.response(false).await
    };
    let shown = send("action=pair").await.text();
    let code = between(&shown, "/pair#token=");
    let devices = process.devices.expect("a port for devices");
    let mut app = App::connect(devices, "apps.test", None).await;
    assert_eq!(app.pair(code, "a phone").await.status, 200);
    let html = request(process.addr, &open).await.text();
    let session = between(&html, "name=\"session\" value=\"");
    let revoked = send(&format!("action=revoke&session={session}")).await;
    assert_eq!(revoked.status, 303, "{}", revoked.text());
    process.signal(Signal::TERM);
    let (exit, log) = process.end();
    assert_eq!(exit, Some(0), "{log}");
    for secret in [code, token, &app.token] {
        assert!(!log.contains(secret), "nothing secret is told");
    }
    let log: Result<Vec<Value>, _> = log.lines().map(serde_json::from_str).collect();
    let log = log.expect("JSON");
    assert_eq!(only(&log, "device code made")["user"], "ada");
    let line = only(&log, "device revoked");
    assert_eq!(
        (&line["user"], &line["device"]),
        (&"ada".into(), &"a phone".into())
    );
}
