//! Restarts of t3 and of the dispatcher behind Traefik.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::common::{PAGE, request};
use crate::outpost::APPLICATION;
use crate::stack::{CONNECTED, PATIENCE, Stack};

/// How long a client waits between two requests.
const PAUSE: Duration = Duration::from_millis(50);

const CLIENTS: usize = 4;

/// The load before a restart, and after it.
const PART: Duration = Duration::from_millis(1500);

/// How long Traefik tries a request again.
const RETRIES: Duration = Duration::from_millis(500);

const WAITS: &str = "document.title.startsWith('T3 Code is')";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn a_restart_of_t3_is_lived_through_by_an_open_tab_and_waited_for_by_a_new_one() {
    let Some(mut stack) = Stack::start().await else {
        return;
    };
    let Some(browser) = stack.door.browser().await else {
        return stack.finish().await;
    };
    let page = stack.signed_in(&browser).await;
    let sockets = page.events("Network.webSocketCreated").len();
    let start = Instant::now();
    stack.door.t3.end(Signal::TERM).await;
    println!("t3 has ended after {:?}", start.elapsed());
    let waiting = page.sibling().await;
    waiting.navigate(&stack.url("/")).await;
    waiting.wait_for(WAITS, PATIENCE).await;
    let shown = waiting.responses();
    let shown = shown.iter().map(|response| response.status);
    println!(
        "the page that waits came by {:?}",
        shown.collect::<Vec<_>>()
    );
    stack.door.t3.spawn_again();
    stack.door.t3.wait_until_it_responds().await;
    let start = Instant::now();
    waiting.wait_for(CONNECTED, PATIENCE).await;
    println!("the new tab: live {:?} after t3", start.elapsed());
    page.wait_for(CONNECTED, PATIENCE).await;
    let again = page.events("Network.webSocketCreated").len();
    assert!(again > sockets, "the open tab has connected again");
    drop((page, waiting, browser));
    stack.finish().await;
}

/// The pod's way: the one ends, and another starts at its address.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3 and a real Traefik: .ci/edge"]
async fn a_dispatcher_that_restarts_under_load_loses_what_comes_while_nobody_listens_only() {
    let Some(mut stack) = Stack::start().await else {
        return;
    };
    let to = stack.traefik.plain;
    let gate = stack.door.outpost.cookie_of("ada@example.org");
    let head = format!("GET /\nHost: {APPLICATION}\nCookie: {gate}\n{PAGE}");
    let paired = request(to, &head).await;
    let cookies = format!("{gate}; {}", paired.cookie());
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(ask_until(to, cookies.clone(), Arc::clone(&is_over))))
        .collect();
    tokio::time::sleep(PART).await;
    let told = Instant::now();
    let (gone, back) = stack.door.restart_dispatcher().await;
    tokio::time::sleep(PART).await;
    is_over.store(true, Ordering::Relaxed);
    let mut counts = BTreeMap::<u16, usize>::new();
    for client in clients {
        for (at, status) in client.await.expect("no panic") {
            *counts.entry(status).or_default() += 1;
            // Traefik tries three times, for 0.2 s in all.
            let may_fail = at + RETRIES >= told && at <= back + RETRIES;
            assert!(
                status == 200 || status == 502 && may_fail,
                "{status} {:?} after the signal",
                at - told
            );
        }
    }
    let (gone, back) = (gone - told, back - told);
    println!(
        "the dispatcher: gone {gone:?} after SIGTERM, its successor there after {back:?}: {counts:?}"
    );
    stack.finish().await;
}

/// Asks for a small file again and again: when, and the status of the response.
async fn ask_until(
    to: SocketAddr,
    cookies: String,
    is_over: Arc<AtomicBool>,
) -> Vec<(Instant, u16)> {
    let head = format!("GET /assets/none-12345678.js\nHost: {APPLICATION}\nCookie: {cookies}");
    let mut answers = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let at = Instant::now();
        answers.push((at, request(to, &head).await.status));
        // Below the limit of the rate.
        tokio::time::sleep(PAUSE).await;
    }
    answers
}
