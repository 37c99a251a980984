//! `t3-dispatcher check`: each fault fails its own step, and the cure names the cause.

use t3_standin::faults::Faults;

use crate::check::{json, steps};
use crate::common::World;

/// A name, the fault, `--mint`, the step that fails, and a word of its report.
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
        "own session",
        "told to fail",
    ),
    (
        "issues nothing",
        |f| f.cli_no_session_issue = true,
        "auto",
        "own session",
        "no session",
    ),
    (
        "prints rubbish",
        |f| f.cli_garbage = true,
        "auto",
        "own session",
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
async fn each_fault_fails_its_step_and_the_cure_names_the_cause() {
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
        let said = format!("{} {}", step["what"], step["cure"]);
        assert!(said.contains(word), "{name}: {said}");
        assert!(
            step["cure"].as_str().is_some_and(|cure| !cure.is_empty()),
            "{name}"
        );
    });
    for case in cases.map(tokio::spawn) {
        case.await.expect("no case failed");
    }
}
