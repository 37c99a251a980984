//! Restarts of t3 under an open tab.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::process::Process;
use crate::common::request;
use crate::t3::T3;
use crate::tab::{Tab, load_until_up, pair};

/// How long after t3's first response a tab may still be without its WebSocket.
const LATE: Duration = Duration::from_secs(2);

/// Ends t3 by `signal` and starts it again, while a page and an upgrade wait.
async fn serves_what_waits(signal: Signal) {
    let mut t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let addr = dispatcher.addr;
    let cookie = pair(addr).await;
    let mut tab = Tab::open(addr, &cookie).await;
    assert_eq!(tab.ping().await["_tag"], "Pong");
    // Without the dispatcher t3 waits 30 s for a tab that does not close (contract §11).
    let _silent = Tab::open(addr, &cookie).await;
    let tab = tokio::spawn(tab.ended());
    t3.end(signal).await;
    tab.await.expect("it ended");

    t3.spawn_again();
    let waiting = Instant::now();
    let page = tokio::spawn({
        let cookie = format!("\nCookie: {cookie}");
        async move {
            let page = load_until_up(addr, &cookie).await;
            (page, Instant::now())
        }
    });
    let upgrade =
        tokio::spawn(async move { (Tab::open_again(addr, &cookie).await, Instant::now()) });
    // A script's request is told at once, and does not wait.
    let fetch = request(addr, "GET /api/x").await;
    assert!(matches!(fetch.status, 502 | 503), "{}", fetch.status);
    assert!(waiting.elapsed() < LATE, "{:?}", waiting.elapsed());
    t3.wait_until_it_responds().await;
    let up = Instant::now();
    let (page, page_at) = page.await.expect("no panic");
    let (mut tab, tab_at) = upgrade.await.expect("a 101");
    assert_eq!((page.status, page.complete), (200, true));
    assert!(page.text().contains("<html"), "{}", page.text());
    assert_eq!(tab.ping().await["_tag"], "Pong");
    assert_eq!(tab.healed, "", "its session outlived the restart");
    for (what, at) in [("page", page_at), ("WebSocket", tab_at)] {
        let late = at.saturating_duration_since(up);
        println!(
            "{signal:?}: the {what} was served {late:?} after t3, which took {:?}",
            up - waiting
        );
        assert!(late < LATE, "{what}: {late:?}");
    }
    tab.close().await;
    t3.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_t3_that_was_told_to_end_and_started_again_serves_what_waits() {
    serves_what_waits(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_t3_that_was_killed_and_started_again_serves_what_waits() {
    serves_what_waits(Signal::KILL).await;
}
