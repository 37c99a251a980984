//! `t3-dispatcher check` beside the real t3.

use serde_json::Value;

use crate::common::process::output_within;
use crate::t3::{CLI_RUNS, T3};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn check_finds_nothing_amiss() {
    let t3 = T3::start().await;
    let mut command = t3.dispatcher();
    command.args(["check", "--json"]);
    let checked = tokio::task::spawn_blocking(move || output_within(&mut command, CLI_RUNS)).await;
    let checked = checked.expect("no panic");
    let report = String::from_utf8_lossy(&checked.stdout);
    println!("{report}");
    assert_eq!(checked.status.code(), Some(0));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["well"], true);
    let steps = report["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["outcome"] == "well"));
    t3.finish().await;
}
