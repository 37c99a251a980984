//! `t3-dispatcher check`: its report, its exit code, and what it leaves behind.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_standin::faults::Faults;

use crate::common::process::{command, output};
use crate::common::{Edition, World, cli_in, in_front_of_each_t3, websocket_of};

in_front_of_each_t3!(a_healthy_t3_passes_and_the_check_leaves_no_session);

/// Runs `check` against `world`'s t3.
async fn check(world: &World, args: &[&str]) -> Output {
    let mut command = command();
    command
        .env("T3_UPSTREAM_PORT", world.standin.addr().port().to_string())
        .env("T3_BIN", cli_in(world.dir.path()))
        .env("T3CODE_HOME", world.standin.base_dir())
        .arg("check")
        .args(args);
    let run = tokio::task::spawn_blocking(move || output(&mut command));
    run.await.expect("no panic")
}

pub(crate) async fn json(world: &World, args: &[&str]) -> (Value, Option<i32>) {
    let run = check(world, &[&["--json"], args].concat()).await;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    (value, run.status.code())
}

/// The steps with this outcome.
pub(crate) fn steps(report: &Value, outcome: &str) -> Vec<String> {
    let steps = report["steps"].as_array().expect("steps").iter();
    steps
        .filter(|step| step["outcome"] == outcome)
        .map(|step| step["name"].as_str().expect("a name").to_owned())
        .collect()
}

pub(crate) fn live_sessions(world: &World) -> usize {
    let sessions = world.standin.sessions();
    sessions.iter().filter(|session| !session.revoked).count()
}

async fn a_healthy_t3_passes_and_the_check_leaves_no_session(edition: Edition) {
    let world = World::of(edition, &["--mint", "cli"]).await;
    for mint in ["auto", "api", "cli"] {
        let (report, code) = json(&world, &["--mint", mint]).await;
        assert_eq!(
            (&report["well"], code),
            (&Value::Bool(true), Some(0)),
            "{mint}: {report:#}"
        );
        assert_eq!(live_sessions(&world), 0, "{mint}: {report:#}");
        assert!(steps(&report, "failed").is_empty());
    }
    let table = check(&world, &[]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let (version, protocol) = match edition {
        Edition::June => ("t3 v0.0.26", "1, as t3's descriptor says"),
        Edition::September => ("t3 v0.0.42", "1, as t3's descriptor says"),
        Edition::Protocol2 => ("t3 v0.0.4", "2, as t3's descriptor says"),
    };
    for word in [
        "t3 CLI",
        version,
        protocol,
        &world.cookie_name().await,
        &format!("{} is open", websocket_of(edition)),
        "/api/auth/browser-session",
        "all is well",
    ] {
        assert!(table.contains(word), "{word}\n{table}");
    }
    println!("{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_adds_less_than_a_second_to_the_cli_s_time() {
    let world = World::with(&["--mint", "cli"]).await;
    let delay = Duration::from_millis(300);
    world
        .standin
        .set_faults(|faults| faults.cli_delay_ms = delay.as_millis() as u64);
    // The t3 CLI issues the admin session and revokes it.
    let of_cli = delay * 2;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let run = check(&world, &[]).await;
        assert!(run.status.success());
        best = best.min(start.elapsed());
    }
    println!("{best:?}, of which {of_cli:?} are the t3 CLI's");
    assert!(best < of_cli + Duration::from_secs(1), "{best:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_to_the_cli_is_reported_as_a_failure_of_the_api() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.pairing_token_status = Some(503));
    let (report, code) = json(&world, &[]).await;
    assert_eq!(
        code,
        Some(1),
        "people are paired, but not as they should be"
    );
    assert_eq!(steps(&report, "failed"), ["credential"]);
    assert!(steps(&report, "well").contains(&"fallback".to_owned()));
    assert!(steps(&report, "well").contains(&"websocket".to_owned()));
    assert_eq!(live_sessions(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_at_once_fails_the_websocket_step() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.session_ttl_ms = Some(0));
    let (report, code) = json(&world, &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(steps(&report, "failed"), ["websocket"], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_versions_of_t3_pass() {
    for set in [
        |faults: &mut Faults| faults.old_endpoint = true,
        |faults: &mut Faults| faults.cookie_name = "t3_session_3773_0123456789ab".to_owned(),
        |faults: &mut Faults| faults.hide_cookie_name = true,
        |faults: &mut Faults| faults.cli_spawn_grandchild = true,
        |faults: &mut Faults| faults.cli_locked_times = 2,
    ] {
        let world = World::with(&["--mint", "cli"]).await;
        world.standin.set_faults(set);
        let (report, code) = json(&world, &[]).await;
        assert_eq!(code, Some(0), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_part_is_named_and_later_steps_are_skipped() {
    let world = World::with(&["--mint", "cli"]).await;
    let (report, code) = json(&world, &["--t3-bin", "/no/such/t3"]).await;
    assert_eq!(code, Some(1));
    assert_eq!(steps(&report, "failed"), ["t3 CLI"]);
    assert!(report.to_string().contains("T3_BIN"), "{report:#}");
    let (report, _) = json(&world, &["--t3-home", "/no/such/home"]).await;
    assert_eq!(steps(&report, "failed"), ["base directory"]);
    assert!(!std::path::Path::new("/no/such").exists());
    let (report, _) = json(&world, &["--upstream-port", "1"]).await;
    assert_eq!(steps(&report, "failed"), ["t3"]);
    assert!(
        report.to_string().contains("T3_UPSTREAM_PORT"),
        "{report:#}"
    );
    let skipped = [
        "protocol",
        "cookie",
        "admin session",
        "credential",
        "session",
        "websocket",
        "clean-up",
    ];
    assert_eq!(steps(&report, "skipped"), skipped);
    assert_eq!(world.cli_starts(), 0, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_file_no_step_runs_the_cli_and_the_token_is_kept() {
    let world = World::with(&["--mint", "cli"]).await;
    let file = world.dir.path().join("token");
    let args = ["--token-file", file.to_str().expect("a UTF-8 path")];
    let (report, code) = json(&world, &args).await;
    assert_eq!(code, Some(1));
    assert_eq!(steps(&report, "failed"), ["admin session"], "{report:#}");
    let token = world.standin.issue_administrative_session("sidecar");
    std::fs::write(&file, token.expect("it writes")).expect("a writable directory");
    let (report, code) = json(&world, &[&args[..], &["--t3-bin", "/no/such/t3"]].concat()).await;
    assert_eq!((code, live_sessions(&world)), (Some(0), 1), "{report:#}");
    let skipped = ["t3 CLI", "base directory"];
    assert_eq!(steps(&report, "skipped"), skipped, "{report:#}");
    world
        .standin
        .set_faults(|faults| faults.pairing_token_status = Some(503));
    let (report, _) = json(&world, &args).await;
    assert_eq!(steps(&report, "failed"), ["credential"], "{report:#}");
    assert_eq!((world.cli_starts(), live_sessions(&world)), (0, 1));
    let refused = check(&world, &[&args[..], &["--mint", "cli"]].concat()).await;
    assert_eq!(refused.status.code(), Some(2));
}

#[tokio::test]
async fn a_mint_command_is_run_in_place_of_the_cli() {
    let world = World::with(&["--mint", "cli"]).await;
    let (cli, base) = (cli_in(world.dir.path()), world.standin.base_dir());
    let command = format!(
        "{} auth pairing create --json --base-dir {}",
        cli.display(),
        base.display()
    );
    let (report, code) = json(&world, &["--mint-command", &command]).await;
    assert_eq!((&report["well"], code), (&Value::Bool(true), Some(0)));
    let skipped = ["t3 CLI", "base directory", "admin session", "clean-up"];
    assert_eq!(steps(&report, "skipped"), skipped);
    assert_eq!(live_sessions(&world), 1, "nothing here can revoke it");

    let (report, code) = json(&world, &["--mint-command", "/nowhere/mint"]).await;
    assert_eq!((&report["well"], code), (&Value::Bool(false), Some(1)));
    assert_eq!(steps(&report, "failed"), ["credential"]);
    let text = report.to_string();
    assert!(
        text.contains("the mint command cannot be started: /nowhere/mint"),
        "{text}"
    );
}

#[tokio::test]
async fn the_directory_that_keeps_files_is_looked_at_if_one_is_set() {
    let world = World::with(&["--mint", "cli"]).await;
    let (file, cache) = (world.dir.path().join("file"), world.dir.path().join("made"));
    std::fs::write(&file, "x").expect("written");
    for (path, outcome, expected) in [(cache, "well", 0), (file, "failed", 1)] {
        let path = path.to_str().expect("a UTF-8 path");
        let (report, code) = json(&world, &["--cache-dir", path]).await;
        assert_eq!(code, Some(expected), "{report:#}");
        let found = steps(&report, outcome);
        assert!(found.contains(&"cache".to_owned()), "{report:#}");
    }
    let (report, _) = json(&world, &[]).await;
    assert!(!report.to_string().contains("\"cache\""), "{report:#}");
}
