//! `t3-dispatcher check` that is told to end: it finishes and undoes what it has begun, or ends at once if told again.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Map, Value, json};
use t3_standin::server::Standin;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::common::process::{signal_process, standin_and_command};
use crate::common::{PATIENCE, cli_in};

/// A check that has made its first session on `t3`.
async fn begun(command: &mut Command, t3: &Standin) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let first_session = async {
        while t3.sessions().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(PATIENCE, first_session).await;
    waited.expect("a session in time");
    child
}

/// Waits for its end; returns what it prints and its exit code.
async fn end(mut child: Child) -> (String, Option<i32>) {
    let ended = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut said).expect("text");
        (said, child.wait().expect("its end").code())
    });
    let ended = timeout(PATIENCE, ended).await.expect("an end in time");
    ended.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_begun_is_finished_and_nobody_else_is_begun() {
    let dir = TempDir::new().expect("a temporary directory");
    let (t3, mut command) = standin_and_command(dir.path()).await;
    t3.set_faults(|faults| faults.answer_delay_ms = 300);
    let (port, cli) = (t3.addr().port(), cli_in(dir.path()));
    let row = json!({ "port": port, "base_dir": t3.base_dir(), "t3_bin": cli });
    let rows = (0..12).map(|number| (format!("person-{number}"), row.clone()));
    let table = dir.path().join("people.json");
    let rows = Value::Object(rows.collect::<Map<_, _>>());
    std::fs::write(&table, rows.to_string()).expect("writable");
    let check = ["check", "--identity-header", "X-User", "--all", "--json"];
    command.args(check).arg("--routes").arg(&table);
    let child = begun(&mut command, &t3).await;
    signal_process(&child, Signal::INT);
    let (said, code) = end(child).await;
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let people = report["people"].as_array().expect("people").iter();
    let outcomes: Vec<_> = people.map(|person| &person["outcome"]).collect();
    let count = |outcome: &str| outcomes.iter().filter(|found| **found == outcome).count();
    assert_eq!(code, Some(1), "not all were checked");
    assert_eq!(count("well"), 4, "{report:#}");
    assert_eq!(count("unchecked"), 8, "{report:#}");
    let sessions = t3.sessions();
    assert!(sessions.len() >= 8 && sessions.iter().all(|session| session.revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn told_twice_it_ends_at_once() {
    let dir = TempDir::new().expect("a temporary directory");
    let (t3, mut command) = standin_and_command(dir.path()).await;
    t3.set_faults(|faults| faults.auth_delay_ms = 600_000);
    let mut child = begun(command.arg("check"), &t3).await;
    signal_process(&child, Signal::TERM);
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    assert!(line.contains("undoes what it has begun"), "{line}");
    signal_process(&child, Signal::INT);
    assert_eq!(end(child).await, (String::new(), Some(130)));
}
