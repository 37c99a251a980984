//! A real browser opens the cockpit without a cookie and ends on a live WebSocket.

mod common;

use std::time::Duration;

use common::World;
use common::browser::Browser;

const LIVE: &str = "document.documentElement.dataset.state === 'live'";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_ends_on_a_live_websocket() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let world = World::start().await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/t/1?a=b%20c", world.addr()))
        .await;
    page.wait_for(LIVE, Duration::from_secs(30)).await;
    let place = page.evaluate("location.pathname + location.search").await;
    assert_eq!(place, "/t/1?a=b%20c");
    let cookies = page.cookies().await;
    let session = cookies.iter().find(|cookie| cookie["name"] == "t3_session");
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
