//! The faults of the CLI.

use std::process::Stdio;

use t3_standin::faults::Faults;
use t3_standin::journal;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::room::{DEADLINE, Room};

const CREATE: [&str; 4] = ["auth", "pairing", "create", "--json"];

async fn outcome(room: &Room) -> (Option<i32>, String) {
    let output = room.run(&CREATE).await;
    assert!(output.stderr.is_empty());
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[tokio::test]
async fn the_next_runs_find_the_database_locked() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.cli_locked_times = 2);
    for left in [1, 0] {
        let (rc, stdout) = outcome(&room).await;
        assert!(
            rc == Some(1) && stdout.contains("database is locked"),
            "{stdout}"
        );
        assert_eq!(server.faults().cli_locked_times, left);
    }
    assert_eq!(outcome(&room).await.0, Some(0));
}

#[tokio::test]
async fn of_two_overlapping_runs_the_later_is_locked_out() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| {
        faults.cli_lock = true;
        faults.cli_delay_ms = 500;
    });
    let (one, other) = tokio::join!(outcome(&room), outcome(&room));
    let mut codes = [one.0, other.0];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)]);
    assert_eq!(outcome(&room).await.0, Some(0));
}

#[tokio::test]
async fn a_run_fails_or_prints_garbage_a_flood_or_nothing() {
    type Case = (fn(&mut Faults), Option<i32>, fn(&str) -> bool);
    let cases: [Case; 4] = [
        (
            |f| f.cli_fail = true,
            Some(1),
            |out| out.contains("] ERROR (#1): "),
        ),
        (
            |f| f.cli_garbage = true,
            Some(0),
            |out| serde_json::from_str::<serde_json::Value>(out).is_err(),
        ),
        (
            |f| f.cli_flood_bytes = 300_000,
            Some(0),
            |out| out.len() == 300_000,
        ),
        (
            |f| f.cli_empty_credential = true,
            Some(0),
            |out| out.contains(r#""credential": """#),
        ),
    ];
    let room = Room::new();
    let server = room.server().await;
    for (number, (fault, code, expected)) in cases.into_iter().enumerate() {
        server.set_faults(|faults| {
            *faults = Faults::default();
            fault(faults);
        });
        let (rc, stdout) = outcome(&room).await;
        assert!(
            rc == code && expected(&stdout),
            "case {number}: {rc:?} {stdout:.200}"
        );
    }
}

#[tokio::test]
async fn old_versions_print_a_role() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.old_endpoint = true);
    let (_, stdout) = outcome(&room).await;
    assert!(
        stdout.contains(r#""role": "client""#) && !stdout.contains("scopes"),
        "{stdout}"
    );
}

#[tokio::test]
async fn a_hanging_run_takes_no_notice_of_sigterm() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| {
        faults.cli_hang = true;
        faults.cli_garbage = true;
    });
    let mut child = room.spawn(&CREATE);
    let pid = child.id().expect("runs").to_string();
    let ignored = format!("/proc/{pid}/status");
    let deadline = Instant::now() + DEADLINE;
    // SigCgt shows the handler: bit 14 is SIGTERM.
    let catches = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & (1 << 14) != 0)
    };
    while !std::fs::read_to_string(&ignored).is_ok_and(|status| catches(&status)) {
        assert!(Instant::now() < deadline, "the handler is installed");
        tokio::task::yield_now().await;
    }
    let sent = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .expect("kill runs");
    assert!(sent.success());
    let ended = timeout(std::time::Duration::from_millis(300), child.wait()).await;
    assert!(ended.is_err(), "still there");
    child.kill().await.expect("SIGKILL ends it");
    assert_eq!(
        (
            journal::starts(room.path()).len(),
            journal::runs(room.path()).len()
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn a_grandchild_holds_stdout_open() {
    let room = Room::new();
    let server = room.server().await;
    server.set_faults(|faults| faults.cli_spawn_grandchild = true);
    let mut child = room
        .command(&CREATE)
        .stdout(Stdio::piped())
        .spawn()
        .expect("begins");
    let mut stdout = child.stdout.take().expect("piped");
    let status = timeout(DEADLINE, child.wait())
        .await
        .expect("in time")
        .expect("ends");
    assert!(status.success());
    let mut all = Vec::new();
    let to_the_end = timeout(
        std::time::Duration::from_millis(300),
        stdout.read_to_end(&mut all),
    )
    .await;
    assert!(to_the_end.is_err(), "stdout is still open");
    assert!(all.ends_with(b"}\n\n"));
}
