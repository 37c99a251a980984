//! A real browser opens the cockpit without a cookie, and its WebSocket becomes live.

use std::time::Duration;

use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::browser::Browser;
use crate::common::{Edition, World, in_front_of_each_t3};

in_front_of_each_t3!(
    a_first_visit_ends_on_a_live_websocket,
    what_the_page_asks_ahead_its_script_uses,
    a_tab_left_open_heals,
);

const LIVE: &str = "document.documentElement.dataset.state === 'live'";

async fn a_first_visit_ends_on_a_live_websocket(edition: Edition) {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::of(edition, &[]).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/t/1?a=b%20c", world.addr()))
        .await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    let place = page.evaluate("location.pathname + location.search").await;
    assert_eq!(place, "/t/1?a=b%20c");
    let cookies = page.cookies().await;
    let name = world.cookie_name().await;
    let session = cookies.iter().find(|cookie| cookie["name"] == name);
    assert_eq!(session.expect("a session")["httpOnly"], true);
    assert_eq!(world.exchanges(), 1);

    page.reload().await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    assert_eq!(world.exchanges(), 1, "a reload has the session");
    if let Some(path) = std::env::var_os("SCREENSHOT") {
        page.set_viewport(1000, 560, 1.0, false).await;
        page.screenshot(path.as_ref()).await;
    }
}

/// The session and the descriptor are asked for once in each load, before the script runs where the page is an app.
async fn what_the_page_asks_ahead_its_script_uses(edition: Edition) {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::of(edition, &[]).await;
    let page = browser.page().await;
    let url = format!("http://{}/", world.addr());
    for load in 1..=2 {
        page.navigate(&url).await;
        page.wait_for(LIVE, Duration::from_secs(30)).await;
        for path in ["api/auth/session", ".well-known/t3/environment"] {
            let asked = page.events("Network.requestWillBeSent");
            let asked = asked
                .iter()
                .filter(|event| event["request"]["url"] == format!("{url}{path}"));
            let ahead: Vec<_> = asked
                .map(|event| event["request"]["isLinkPreload"] == true)
                .collect();
            let expected = vec![edition != Edition::June; load];
            assert_eq!(ahead, expected, "{path} in load {load}");
        }
    }
}

/// A tab whose session is dead and whose t3 was restarted becomes live again by itself.
async fn a_tab_left_open_heals(edition: Edition) {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::of(edition, &[]).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", world.addr())).await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    let first = page.cookies().await;
    world.standin.wipe_sessions();
    let World {
        standin,
        dir,
        dispatcher,
    } = world;
    let mut options = StandinOptions::of(edition, dir.path().join("t3"));
    options.listen = standin.addr();
    options.faults.silent_start_ms = 900;
    standin.kill();
    page.wait_for(&format!("!({LIVE})"), Duration::from_secs(30))
        .await;
    let standin = Standin::start(options)
        .await
        .expect("the port is free again");
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    assert_ne!(page.cookies().await, first, "with a new session");
    drop((standin, dispatcher));
}
