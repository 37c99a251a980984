//! Chromium's own verdict on whether the page is an installable app, from behind single sign-on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::World;
use crate::common::browser::{Browser, Page};
use crate::sign_on_gate::Gate;

const LIVE: &str = "document.documentElement.dataset.state === 'live'";

/// The error that every page has in a test's own browser profile.
const OF_THE_PROFILE: &str = "in-incognito";

async fn manifest(page: &Page) -> Value {
    let manifest = page.command("Page.getAppManifest", json!({})).await;
    manifest.unwrap_or_else(|error| panic!("Page.getAppManifest: {error}"))
}

/// The reasons why Chromium would not install it.
async fn hindrances(page: &Page) -> Vec<Value> {
    let found = page
        .command("Page.getInstallabilityErrors", json!({}))
        .await;
    let found = found.unwrap_or_else(|error| panic!("Page.getInstallabilityErrors: {error}"));
    let found = found["installabilityErrors"].as_array().expect("a list");
    let of_the_page = |error: &&Value| error["errorId"] != OF_THE_PROFILE;
    found.iter().filter(of_the_page).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_would_install_it_from_behind_the_gate() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::start().await;
    let gate = Gate::before(world.addr()).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", gate.addr)).await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    let found = manifest(&page).await;
    assert_eq!(found["errors"], json!([]), "{found:#}");
    assert_eq!(
        found["url"],
        format!("http://{}/manifest.webmanifest", gate.addr)
    );
    let data: Value = serde_json::from_str(found["data"].as_str().expect("text")).expect("JSON");
    assert_eq!(data["name"], "T3 Code");
    assert_eq!(hindrances(&page).await, [Value::Null; 0]);
    let away = gate.turned_away();
    assert!(
        !away.iter().any(|path| path.contains("manifest")),
        "{away:?}"
    );
    // With the gate's cookie and t3's.
    let asked = world.asked();
    let asked: Vec<_> = asked
        .iter()
        .filter(|seen| seen.target == b"/manifest.webmanifest")
        .collect();
    assert!(!asked.is_empty());
    for seen in asked {
        let cookie = String::from_utf8_lossy(seen.header("cookie").unwrap_or_default());
        assert!(cookie.contains("gate=open") && cookie.contains("t3_session="));
    }
}

/// The counter-test: without the dispatcher's tags Chromium's verdict is another.
#[tokio::test(flavor = "multi_thread")]
async fn with_pwa_off_chromium_would_not() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::with(&["--pwa", "off"]).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", world.addr())).await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    assert_eq!(manifest(&page).await["url"], "");
    let ids: Vec<_> = hindrances(&page).await;
    assert_eq!(ids[0]["errorId"], "no-manifest", "{ids:?}");
}
