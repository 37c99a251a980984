//! The CLI without faults (contract §1, §4).

use serde_json::Value;
use t3_standin::journal;

use crate::room::Room;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[tokio::test]
async fn pairing_create_prints_these_bytes() {
    let room = Room::new();
    let url = "https://h.example:8443/some/path?x#y";
    let args = [
        "auth",
        "pairing",
        "create",
        "--json",
        "--label",
        "alice dev",
        "--base-url",
        url,
    ];
    let output = room.run(&args).await;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let field = |name: &str| json[name].as_str().expect("text").to_owned();
    let (id, credential, expires) = (field("id"), field("credential"), field("expiresAt"));
    let expected = format!(
        r#"{{
  "id": "{id}",
  "credential": "{credential}",
  "label": "alice dev",
  "scopes": [
    "orchestration:read",
    "orchestration:operate",
    "terminal:operate",
    "review:write",
    "relay:read"
  ],
  "expiresAt": "{expires}",
  "pairUrl": "https://h.example:8443/pair#token={credential}"
}}

"#
    );
    assert_eq!(text(&output.stdout), expected);
    assert_eq!((id.len(), credential.len(), expires.len()), (36, 12, 24));
}

#[tokio::test]
async fn without_json_two_log_lines_come_first() {
    let room = Room::new();
    let output = room.run(&["auth", "pairing", "create"]).await;
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(
        lines[0].contains("] INFO (#18): Running all migrations..."),
        "{lines:?}"
    );
    assert!(lines[1].contains("] INFO (#18): "), "{lines:?}");
    assert!(lines[3].starts_with("Token: "), "{lines:?}");
    assert_eq!(lines.len(), 6);
}

#[tokio::test]
async fn errors_go_to_stdout() {
    let room = Room::new();
    std::fs::write(room.path(), "a file").expect("writes");
    let output = room.run(&["auth", "pairing", "create", "--json"]).await;
    std::fs::remove_file(room.path()).expect("removes");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("] ERROR (#1): ") && stdout.contains("ENOTDIR"),
        "{stdout}"
    );
}

#[tokio::test]
async fn refused_spans_print_the_help() {
    let room = Room::new();
    for ttl in ["abc", "5", "300", "1.5h", "-5m"] {
        let output = room
            .run(&["auth", "pairing", "create", "--json", "--ttl", ttl])
            .await;
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 874),
            "{ttl}"
        );
        assert!(text(&output.stderr).contains("ERROR"), "{ttl}");
    }
    let output = room
        .run(&["auth", "pairing", "create", "--json", "--ttl", "0s"])
        .await;
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_session_is_issued_and_revoked() {
    let room = Room::new();
    let output = room
        .run(&[
            "auth", "session", "issue", "--ttl", "30d", "--label", "hub", "--json",
        ])
        .await;
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["scopes"].as_array().map(Vec::len), Some(8));
    assert_eq!(json["client"]["label"], "hub");
    let id = json["sessionId"].as_str().expect("an id");
    for (found, said) in [(true, "Revoked"), (false, "No active")] {
        let output = room.run(&["auth", "session", "revoke", id]).await;
        assert_eq!(output.status.code(), Some(0), "{found}");
        assert!(text(&output.stdout).contains(said), "{found}");
    }
    let output = room
        .run(&["auth", "session", "issue", "--token-only"])
        .await;
    assert_eq!(text(&output.stdout).lines().count(), 1);
}

#[tokio::test]
async fn every_run_leaves_a_record() {
    let room = Room::new();
    room.command(&["auth", "pairing", "list"])
        .env("PATH", "/nowhere")
        .output()
        .await
        .expect("runs");
    room.run(&["auth", "pairing", "create", "--ttl", "5"]).await;
    let (starts, runs) = (journal::starts(room.path()), journal::runs(room.path()));
    assert_eq!(starts[0].path.as_deref(), Some("/nowhere"));
    assert!(starts[0].stdin_null);
    assert_eq!(runs.iter().map(|run| run.rc).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(runs[0].args[..3], ["auth", "pairing", "list"]);
    assert!(runs[0].started_us < runs[0].ended_us && starts[0].pid == runs[0].pid);
}

#[tokio::test]
async fn the_version_is_that_of_the_tag() {
    let output = Room::new().run(&["--version"]).await;
    assert_eq!(text(&output.stdout), "t3 v0.0.26\n");
}
