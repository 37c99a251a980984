//! `t3-dispatcher check`: whatever stands in the way, its step is red and the advice names it.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use t3_standin::faults::Faults;

use crate::common::process::{command, output};
use crate::common::{World, cli_in};

/// Runs a check of `world`'s t3.
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

async fn json(world: &World, args: &[&str]) -> (Value, Option<i32>) {
    let run = check(world, &[&["--json"], args].concat()).await;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    (value, run.status.code())
}

/// The steps with that outcome.
fn steps(report: &Value, outcome: &str) -> Vec<String> {
    let steps = report["steps"].as_array().expect("steps").iter();
    steps
        .filter(|step| step["outcome"] == outcome)
        .map(|step| step["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn live_sessions(world: &World) -> usize {
    let sessions = world.standin.sessions();
    sessions.iter().filter(|session| !session.revoked).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_t3_in_good_health_is_well_and_nothing_is_left_of_the_check() {
    let world = World::with(&["--mint", "cli"]).await;
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
    for word in [
        "t3 CLI",
        "t3 v0.0.26",
        "t3_session",
        "/api/auth/browser-session",
        "all is well",
    ] {
        assert!(table.contains(word), "{word}\n{table}");
    }
    println!("{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_next_to_no_time_of_its_own() {
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

/// What goes wrong, how credentials are minted, the step that is red, and what it says.
type Case = (
    &'static str,
    fn(&mut Faults),
    &'static str,
    &'static str,
    &'static str,
);

const CASES: [Case; 15] = [
    (
        "fails",
        |f| f.cli_fail = true,
        "auto",
        "admin session",
        "told to fail",
    ),
    (
        "issues nothing",
        |f| f.cli_no_session_issue = true,
        "auto",
        "admin session",
        "no session",
    ),
    (
        "prints rubbish",
        |f| f.cli_garbage = true,
        "auto",
        "admin session",
        "T3_BIN",
    ),
    (
        "prints 50 MB",
        |f| f.cli_flood_bytes = 50_000_000,
        "cli",
        "credential",
        "over 64 KiB",
    ),
    (
        "mints nothing",
        |f| f.cli_empty_credential = true,
        "cli",
        "credential",
        "nothing usable",
    ),
    (
        "hangs",
        |f| f.cli_hang = true,
        "cli",
        "credential",
        "did not end in time",
    ),
    (
        "is locked",
        |f| f.cli_locked_times = 100,
        "cli",
        "credential",
        "did not end in time",
    ),
    ("t3 hangs", |f| f.hang_all = true, "auto", "t3", "hang"),
    (
        "no state",
        |f| f.session_status = Some(500),
        "auto",
        "cookie",
        "t3's log",
    ),
    (
        "api refuses",
        |f| f.pairing_token_status = Some(403),
        "auto",
        "credential",
        "T3CODE_HOME",
    ),
    (
        "api is gone",
        |f| f.pairing_token_status = Some(404),
        "api",
        "credential",
        "newer",
    ),
    (
        "exchange refuses",
        |f| f.refuse_exchange = true,
        "auto",
        "session",
        "T3CODE_HOME",
    ),
    (
        "exchange fails",
        |f| f.exchange_status = Some(500),
        "auto",
        "session",
        "t3's log",
    ),
    (
        "exchange is lost",
        |f| f.exchange_lost = true,
        "auto",
        "session",
        "cut the connection",
    ),
    (
        "no cookie",
        |f| f.no_set_cookie = true,
        "auto",
        "session",
        "newer",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_the_red_step_and_its_advice_names_the_cause() {
    let cases = CASES.map(|(name, set, mint, red, word)| async move {
        let world = World::with(&["--mint", "cli"]).await;
        world.standin.set_faults(set);
        let (report, code) = json(&world, &["--mint", mint]).await;
        assert_eq!(code, Some(1), "{name}: {report:#}");
        let failed = steps(&report, "failed");
        assert_eq!(failed[0], red, "{name}: {report:#}");
        let step = &report["steps"].as_array().expect("steps").iter();
        let step = step
            .clone()
            .find(|step| step["outcome"] == "failed")
            .expect("a red one");
        let said = format!("{} {}", step["what"], step["advice"]);
        assert!(said.contains(word), "{name}: {said}");
        assert!(
            step["advice"]
                .as_str()
                .is_some_and(|advice| !advice.is_empty()),
            "{name}"
        );
    });
    for case in cases.map(tokio::spawn) {
        case.await.expect("no case failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cli_replaces_the_api_both_are_reported() {
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
async fn a_session_that_dies_at_once_is_the_websocket_s() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.session_ttl_ms = Some(0));
    let (report, code) = json(&world, &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(steps(&report, "failed"), ["websocket"], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_another_version_is_well() {
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
async fn what_is_not_there_is_named_and_the_rest_skipped() {
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
