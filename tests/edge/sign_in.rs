//! A person signs in and lands in the cockpit, reloads it, and restores ten tabs of it.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::time::Instant;

use crate::common::browser::Page;
use crate::stack::{CONNECTED, PATIENCE, Stack, WELCOMED, sign_in};

/// How often each status was received, from the response of that number on.
fn statuses(page: &Page, from: usize) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for response in page.responses().iter().skip(from) {
        *counts.entry(response.status).or_default() += 1;
    }
    counts
}

/// How many requests of the application's own reached the network, from the response of that number on.
fn requests(page: &Page, stack: &Stack, from: usize) -> Vec<String> {
    let (of_stack, responses) = (stack.url("/"), page.responses());
    let sent = responses.iter().skip(from).filter(|response| {
        response.url.starts_with(&of_stack) && !response.from_cache && response.status != 101
    });
    sent.map(|response| response.url.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn a_person_signs_in_reloads_and_restores_ten_tabs() {
    let Some(mut stack) = Stack::start().await else {
        return;
    };
    let Some(browser) = stack.door.browser().await else {
        return stack.finish().await;
    };
    stack.door = stack.door.warm().await;
    let page = browser.page().await;
    let link = stack.url("/settings/general?from=mail");
    page.navigate(&link).await;
    let start = Instant::now();
    sign_in(&page, "ada@example.org").await;
    page.wait_for(CONNECTED, PATIENCE).await;
    // A new t3 shows its welcome from there on by itself.
    let responses = page.responses();
    let mut of_link = responses.iter().filter(|response| response.url == link);
    assert!(
        of_link.any(|response| response.status == 200),
        "the link is kept"
    );
    let counts = statuses(&page, 0);
    println!(
        "sign-in: live {:?} after the form, {counts:?}",
        start.elapsed()
    );
    assert_eq!(
        counts.get(&302),
        Some(&5),
        "to the form and back, and to the page"
    );
    assert_eq!(counts.get(&101), Some(&1), "one WebSocket");
    assert!(counts.keys().all(|status| *status < 400), "{counts:?}");
    let cookies = page.cookies().await;
    let session = cookies.iter().find(|cookie| {
        cookie["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("t3_session"))
    });
    let session = session.expect("a session");
    assert_eq!(session["httpOnly"], true);
    assert_eq!(session["secure"], true, "the browser speaks https");
    assert_eq!(session["sameSite"], "Lax");
    assert_eq!(session["domain"], "t3.test");
    let manifest = page.command("Page.getAppManifest", json!({})).await;
    let manifest = manifest.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(manifest["url"], stack.url("/manifest.webmanifest"));
    assert_eq!(manifest["errors"], json!([]));

    let before = page.responses().len();
    let start = Instant::now();
    page.reload().await;
    page.wait_for(CONNECTED, PATIENCE).await;
    let sent = requests(&page, &stack, before);
    println!(
        "reload: live after {:?}, {} requests: {sent:#?}",
        start.elapsed(),
        sent.len()
    );
    assert!(sent.len() <= 4, "{sent:?}");

    let mut tabs = Vec::new();
    for _ in 0..10 {
        tabs.push(page.sibling().await);
    }
    let start = Instant::now();
    let address = stack.url("/");
    for tab in &tabs {
        let to = json!({ "url": address });
        tab.command("Page.navigate", to).await.expect("it begins");
    }
    let mut sum = BTreeMap::<u64, usize>::new();
    for tab in &tabs {
        tab.wait_for(CONNECTED, PATIENCE).await;
        for (status, count) in statuses(tab, 0) {
            *sum.entry(status).or_default() += count;
        }
    }
    println!("ten tabs: live after {:?}, {sum:?}", start.elapsed());
    assert_eq!(sum.get(&429), None, "the rate limit");
    assert_eq!(sum.get(&101), Some(&10));
    drop((tabs, page, browser));
    stack.finish().await;
}

/// The gate's session ends under an open tab: its fetches are redirected away, and a reload is live again where
/// single sign-on still knows the person, else the sign-in.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn a_gate_s_session_that_ends_under_an_open_tab_costs_a_reload() {
    let Some(stack) = Stack::start().await else {
        return;
    };
    let Some(browser) = stack.door.browser().await else {
        return stack.finish().await;
    };
    let page = stack.signed_in(&browser).await;
    stack.door.outpost.end_sessions();
    let fetched =
        "fetch('/api/auth/session', { redirect: 'manual' }).then(response => response.type)";
    let fetched = page.wait_for(fetched, PATIENCE).await;
    assert_eq!(fetched, "opaqueredirect");
    let before = page.responses().len();
    let start = Instant::now();
    page.reload().await;
    page.wait_for(CONNECTED, PATIENCE).await;
    println!("reload by silent sign-on: live after {:?}", start.elapsed());
    let responses = page.responses();
    let ways_back = responses
        .iter()
        .skip(before)
        .filter(|response| response.url.contains("/callback?"));
    assert_eq!(ways_back.count(), 1, "to single sign-on and back");
    page.wait_for(WELCOMED, PATIENCE).await;
    stack.door.outpost.sign_out();
    page.reload().await;
    sign_in(&page, "ada@example.org").await;
    page.wait_for(CONNECTED, PATIENCE).await;
    drop((page, browser));
    stack.finish().await;
}
