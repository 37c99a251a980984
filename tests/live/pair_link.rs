//! A link that somebody made by hand, in a real Chromium on the real t3: it is spent, and nobody paired before.

use std::time::Duration;

use serde_json::Value;

use crate::chromium::CONNECTED;
use crate::common::browser::{Browser, Page};
use crate::common::process::{self, Process};
use crate::t3::{CLI_RUNS, T3};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the t3 CLI prints as JSON.
async fn cli(t3: &T3, args: &[&str]) -> Value {
    let mut command = t3.cli();
    command.args(args).arg("--json");
    let run = tokio::task::spawn_blocking(move || process::output_within(&mut command, CLI_RUNS));
    let run = run.await.expect("no panic");
    assert!(run.status.success(), "{run:?}");
    serde_json::from_slice(&run.stdout).expect("JSON")
}

/// The labels of browsers' sessions, in alphabetical order.
async fn labels(t3: &T3) -> Vec<String> {
    let sessions = cli(t3, &["auth", "session", "list"]).await;
    let sessions = sessions.as_array().expect("a list").iter();
    let of_browsers = sessions.filter(|row| row["method"] == "browser-session-cookie");
    let labels = of_browsers.map(|row| row["client"]["label"].as_str().unwrap_or_default());
    let mut labels: Vec<_> = labels.map(str::to_owned).collect();
    labels.sort();
    labels
}

async fn cockpit(page: &Page, address: &str) {
    page.navigate(address).await;
    page.wait_for(CONNECTED, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_link_made_by_hand_is_spent_and_without_one_the_browser_is_paired() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let minted = cli(&t3, &["auth", "pairing", "create", "--label", "by hand"]).await;
    let credential = minted["credential"].as_str().expect("a credential");
    let page = browser.page().await;
    let pair = format!("http://{}/pair", dispatcher.addr);
    cockpit(&page, &format!("{pair}#token={credential}")).await;
    assert_eq!(
        labels(&t3).await,
        ["by hand"],
        "and nobody was paired before"
    );
    // The browser has a session: t3's page leads to the cockpit.
    cockpit(&page, &pair).await;
    assert_eq!(labels(&t3).await.len(), 1);
    page.close().await;

    // Another profile, without a link's credential.
    let page = browser.page().await;
    cockpit(&page, &pair).await;
    assert_eq!(labels(&t3).await, ["browser@sso", "by hand"]);
    page.close().await;
    t3.finish().await;
}
