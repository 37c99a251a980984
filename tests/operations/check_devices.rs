//! `t3-dispatcher check --devices`: an app's way, at t3 and by the device door.

use serde_json::Value;

use crate::check::{json, live_sessions, steps};
use crate::common::{Edition, PAGE, World, in_front_of_each_t3, request};

/// What it adds to the steps.
const AT_T3: [&str; 4] = [
    "device code",
    "device token",
    "device ticket",
    "device socket",
];

in_front_of_each_t3!(an_app_s_way_is_gone_and_its_session_revoked);

async fn an_app_s_way_is_gone_and_its_session_revoked(edition: Edition) {
    let world = World::of(edition, &["--mint", "cli", "--device-port", "0"]).await;
    let door = world.dispatcher.devices.expect("a door for apps").port();
    let before = live_sessions(&world);
    for mint in ["auto", "cli"] {
        let (report, code) = json(&world, &["--mint", mint, "--devices"]).await;
        assert_eq!(
            (&report["well"], code),
            (&Value::Bool(true), Some(0)),
            "{report:#}"
        );
        let well = steps(&report, "well");
        assert!(
            AT_T3.iter().all(|step| well.contains(&(*step).to_owned())),
            "{report:#}"
        );
        assert!(steps(&report, "skipped").contains(&"device door".to_owned()));

        let door = door.to_string();
        let args = ["--mint", mint, "--devices", "--device-port", &door];
        let (report, code) = json(&world, &args).await;
        assert_eq!(
            (&report["well"], code),
            (&Value::Bool(true), Some(0)),
            "{report:#}"
        );
        assert!(
            steps(&report, "well").contains(&"device door".to_owned()),
            "{report:#}"
        );
        assert_eq!(live_sessions(&world), before, "{report:#}");
        assert!(!report.to_string().contains("wsTicket"), "{report:#}");
    }
    let (report, _) = json(&world, &["--device-port", &door.to_string()]).await;
    let all = report.to_string();
    assert!(!all.contains("device"), "it was not asked for: {all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_of_another_t3_and_one_that_is_not_there_are_told() {
    let (world, other) = (
        World::of(Edition::Protocol2, &["--mint", "cli"]).await,
        World::of(Edition::September, &["--device-port", "0"]).await,
    );
    let door = other.dispatcher.devices.expect("a door for apps").port();
    let args = ["--devices", "--device-port", &door.to_string()];
    let (report, code) = json(&world, &args).await;
    assert_eq!(steps(&report, "failed"), ["device door"], "{report:#}");
    assert_eq!(code, Some(1));
    other.dispatcher.drain().await;
    let (report, code) = json(&world, &args).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert!(steps(&report, "skipped").contains(&"device door".to_owned()));
}

/// Where a file brings the dispatcher's own session, no program beside it is run, whatever is wrong with that file.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_session_no_cli_is_run_in_its_place() {
    let world = World::of(Edition::Protocol2, &[]).await;
    // The dispatcher itself has run it by then.
    let page = request(world.addr(), &format!("GET /\n{PAGE}")).await;
    assert_eq!(page.status, 302);
    let before = world.cli_starts();
    let missing = world.dir.path().join("no-token");
    let missing = missing.to_str().expect("a UTF-8 path");
    let (report, code) = json(&world, &["--token-file", missing, "--devices"]).await;
    assert_eq!(code, Some(1), "{report:#}");
    let skipped = steps(&report, "skipped");
    assert!(skipped.contains(&"device code".to_owned()), "{report:#}");
    assert_eq!(world.cli_starts(), before, "{report:#}");
}
