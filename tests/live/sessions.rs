//! Sessions of many people, sessions that are gone, and sessions that are revoked.

use std::collections::HashSet;
use std::time::Instant;

use crate::common::process::Process;
use crate::common::{PAGE, request};
use crate::t3::T3;
use crate::tab::{Tab, load, pair};

/// How many people come at the same moment.
const PEOPLE: usize = 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn twenty_people_at_once_get_twenty_sessions() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(t3.dispatcher().args(["--identity-header", "X-User"]));
    let addr = dispatcher.addr;
    let start = Instant::now();
    let people = (0..PEOPLE).map(|n| {
        let head = format!("GET /t/{n}\n{PAGE}\nX-User: person{n}@h.test");
        tokio::spawn(async move { request(addr, &head).await })
    });
    let mut cookies = HashSet::new();
    for (n, person) in people.collect::<Vec<_>>().into_iter().enumerate() {
        let paired = person.await.expect("no panic");
        assert_eq!(paired.status, 302, "{}", paired.text());
        assert_eq!(paired.header("location"), format!("/t/{n}"));
        cookies.insert(paired.cookie());
    }
    println!("{PEOPLE} people paired in {:?}", start.elapsed());
    assert_eq!(cookies.len(), PEOPLE);
    for cookie in &cookies {
        assert!(t3.is_alive(cookie).await);
    }
    t3.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn an_open_tab_and_a_page_load_heal_after_all_sessions_are_gone() {
    let t3 = T3::start().await;
    let dispatcher = Process::start(t3.dispatcher().args(["--session-check", "1s"]));
    let dead = pair(dispatcher.addr).await;
    let mut tab = Tab::open(dispatcher.addr, &dead).await;
    assert_eq!(tab.ping().await["_tag"], "Pong");
    t3.delete_sessions();
    assert!(!t3.is_alive(&dead).await);
    tab.ended().await;

    let start = Instant::now();
    let mut tab = Tab::open(dispatcher.addr, &dead).await;
    println!("the tab is live again after {:?}", start.elapsed());
    assert_eq!(tab.ping().await["_tag"], "Pong");
    assert!(t3.is_alive(&tab.healed).await, "{:?}", tab.healed);
    let paired = load(dispatcher.addr, &format!("\nCookie: {dead}")).await;
    assert_eq!(paired.status, 302, "{}", paired.text());
    assert!(t3.is_alive(&paired.cookie()).await);
    tab.close().await;
    t3.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn the_tunnel_of_a_revoked_session_ends_and_no_other() {
    let t3 = T3::start().await;
    let options = ["--session-check", "1s", "--identity-header", "X-User"];
    let dispatcher = Process::start(t3.dispatcher().args(options));
    let mut tabs = Vec::new();
    for user in ["ada", "bob"] {
        let paired = load(dispatcher.addr, &format!("\nX-User: {user}")).await;
        let cookie = paired.cookie();
        let tab = Tab::open_as(dispatcher.addr, &cookie, &[("x-user", user)]).await;
        tabs.push((cookie, tab));
    }
    let (kept, mut other) = tabs.pop().expect("two");
    let (revoked, one) = tabs.pop().expect("two");
    let start = Instant::now();
    t3.revoke(&revoked).await;
    one.ended().await;
    println!(
        "the tunnel ended {:?} after the revocation",
        start.elapsed()
    );
    assert_eq!(other.ping().await["_tag"], "Pong");
    assert_eq!(
        [t3.is_alive(&revoked).await, t3.is_alive(&kept).await],
        [false, true]
    );
    other.close().await;
    t3.finish().await;
}
