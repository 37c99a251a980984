//! A real browser opens the cockpit without a cookie, and its WebSocket becomes live.

use std::time::Duration;

use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::browser::Browser;
use crate::common::{Edition, World, in_front_of_each_t3};

in_front_of_each_t3!(
    a_first_visit_ends_on_a_live_websocket,
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
