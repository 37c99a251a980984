//! A page load through the dispatcher becomes a live cockpit.

use std::time::Instant;

use crate::common::process::Process;
use crate::common::{PAGE, request};
use crate::t3::T3;
use crate::tab::Tab;

/// Pairs a page load by `mint`, to the pong of its WebSocket.
async fn lives(mint: &str) {
    let t3 = T3::start().await;
    let dispatcher = Process::start(t3.dispatcher().args(["--mint", mint]));

    let start = Instant::now();
    let paired = request(dispatcher.addr, &format!("GET /t/1?a=b%20c\n{PAGE}")).await;
    println!("paired by {mint} in {:?}", start.elapsed());
    assert_eq!(
        (paired.status, paired.header("location").as_str()),
        (302, "/t/1?a=b%20c")
    );
    let cookie = paired.cookie();
    let session = format!("GET /api/auth/session\nCookie: {cookie}");
    let session = request(dispatcher.addr, &session).await.json();
    assert_eq!(session["authenticated"], true);
    let name = session["auth"]["sessionCookieName"].as_str();
    let name = name.expect("a name");
    assert!(cookie.starts_with(&format!("{name}=")), "{name}");
    let page = format!("GET /t/1?a=b%20c\n{PAGE}\nCookie: {cookie}");
    let page = request(dispatcher.addr, &page).await;
    assert_eq!((page.status, page.complete), (200, true));
    assert!(page.text().contains("<html"), "{}", page.text());
    assert_eq!(page.header("set-cookie"), "", "a session is made once");
    // The app's tags and manifest are t3's; only the manifest is to be fetched with cookies.
    let own = request(t3.addr, &format!("GET /t/1?a=b%20c\n{PAGE}")).await;
    let [plain, credentials] = ["", " crossorigin=\"use-credentials\""]
        .map(|added| format!("<link rel=\"manifest\" href=\"/manifest.webmanifest\"{added} />"));
    assert!(own.text().contains(&plain), "{}", own.text());
    assert_eq!(page.text(), own.text().replace(&plain, &credentials));

    let mut tab = Tab::open(dispatcher.addr, &cookie).await;
    assert_eq!(tab.ping().await["_tag"], "Pong");
    assert_eq!(tab.healed, "", "it was alive");
    tab.close().await;
    t3.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_page_load_that_the_api_pairs_ends_in_a_live_cockpit() {
    lives("api").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_page_load_that_the_cli_pairs_ends_in_a_live_cockpit() {
    lives("cli").await;
}
