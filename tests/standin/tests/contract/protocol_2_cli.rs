//! Protocol 2: the CLI (contract §1).

use serde_json::{Value, json};
use t3_standin::edition::Edition;
use t3_standin::journal;

use crate::protocol_2::STANDARD;
use crate::room::Room;

const CREATE: [&str; 4] = ["auth", "pairing", "create", "--json"];

fn parsed(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The CLI is of its server's edition, or of the one that it is told.
#[tokio::test]
async fn scopes_are_the_new_ones_and_can_be_named() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    assert_eq!(parsed(&room.run(&CREATE).await)["scopes"], json!(STANDARD));
    let named = [
        &CREATE[..],
        &[
            "--scope",
            "access:read",
            "--scope=terminal:read",
            "--scope",
            "access:read",
        ],
    ]
    .concat();
    assert_eq!(
        parsed(&room.run(&named).await)["scopes"],
        json!(["access:read", "terminal:read"])
    );
    let retired = [&CREATE[..], &["--scope", "review:write"]].concat();
    assert_eq!(room.run(&retired).await.status.code(), Some(1));

    let token = room
        .run(&[
            "auth",
            "session",
            "issue",
            "--scope",
            "orchestration:read",
            "--token-only",
        ])
        .await;
    let token = String::from_utf8(token.stdout).expect("text");
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let mut client = crate::client::Client::to(server.addr()).await;
    let session = client
        .ask("GET /api/auth/session", &bearer, "")
        .await
        .json();
    assert_eq!(session["permissions"], json!(["orchestration:read"]));

    let june = [&CREATE[..], &["--protocol", "1", "--scope", "access:read"]].concat();
    assert_eq!(
        room.run(&june).await.status.code(),
        Some(1),
        "protocol 1 has no --scope"
    );
}

/// It waits for the database rather than end with "database is locked".
#[tokio::test]
async fn runs_at_once_wait_for_each_other() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    server.set_faults(|faults| {
        faults.cli_lock = true;
        faults.cli_delay_ms = 150;
    });
    let runs: Vec<_> = (0..3).map(|_| room.spawn(&CREATE)).collect();
    for run in runs {
        let output = run.wait_with_output().await.expect("its end");
        assert_eq!(output.status.code(), Some(0));
    }
}

/// Unless `T3CODE_PORT` names one it looks for a port by binding it, and whoever starts at that moment is refused it.
#[tokio::test]
async fn a_run_binds_t3_s_port_in_passing() {
    let room = Room::new();
    let server = room.server_of(Edition::Protocol2).await;
    let port = t3_standin::port::unused().port();
    server.set_faults(|faults| {
        faults.cli_probe_port = port;
        faults.cli_delay_ms = 400;
    });
    for (variable, is_bound) in [(None, true), (Some("3773"), false)] {
        let mut command = room.command(&CREATE);
        if let Some(value) = variable {
            command.env("T3CODE_PORT", value);
        }
        let seen = journal::starts(room.path()).len();
        let run = command.spawn().expect("the CLI begins");
        let mut is_open = false;
        while journal::runs(room.path()).len() == seen {
            is_open |= std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(
            run.wait_with_output().await.expect("its end").status.code(),
            Some(0)
        );
        assert_eq!(is_open, is_bound, "{variable:?}");
        let start = journal::starts(room.path()).pop().expect("a start");
        assert_eq!(
            (start.probes_port, start.t3code_port.as_deref()),
            (is_bound, variable)
        );
    }
}

#[tokio::test]
async fn the_version_says_which() {
    let room = Room::new();
    for (edition, version) in [
        ("2", "t3 v0.0.46-nightly.20261004.2644\n"),
        ("0.0.42", "t3 v0.0.42\n"),
    ] {
        let output = room.run(&["--version", "--edition", edition]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), version);
    }
}
