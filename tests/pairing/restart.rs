//! Restarts of t3: no request fails or hangs, and an open tab becomes live again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use t3_standin::seen::Seen;
use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::process::{Process, is_release, standin_and_command};
use crate::common::{
    Client, Edition, HANDSHAKE, PAGE, PATIENCE, World, in_front_of_each_t3, request, websocket_of,
};

in_front_of_each_t3!(
    a_restart_under_load_fails_no_request,
    a_t3_that_is_starting_is_waited_for_by_pages_and_sockets_but_not_by_fetches,
);

/// How long t3's port accepts connections before t3 responds (contract §7).
const SILENCE: Duration = Duration::from_millis(900);

/// Loads the page again and again until the receiver of the count is dropped.
fn keep_loading(addr: SocketAddr, cookie: String) -> (watch::Receiver<usize>, JoinHandle<()>) {
    let (count, counted) = watch::channel(0);
    let loading = tokio::spawn(async move {
        while !count.is_closed() {
            let loads = *count.borrow();
            let start = Instant::now();
            let response = request(addr, &format!("GET /\n{PAGE}\nCookie: {cookie}")).await;
            assert_eq!(response.status, 200, "load {loads}: {}", response.text());
            assert!(
                response.complete && response.text().contains("</html>"),
                "load {loads}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "load {loads} hung"
            );
            count.send_replace(loads + 1);
        }
    });
    (counted, loading)
}

/// Waits for a page load that began after this call.
async fn load_anew(counted: &mut watch::Receiver<usize>) {
    // One load may be under way already.
    let enough = *counted.borrow() + 2;
    let reached = tokio::time::timeout(PATIENCE, counted.wait_for(|loads| *loads >= enough)).await;
    assert!(reached.expect("in time").is_ok(), "a load failed");
}

/// Opens a cockpit tab's WebSocket; a tab opens it again when it ends (contract §9).
async fn open_tab(edition: Edition, addr: SocketAddr, cookie: &str) -> Client {
    let target = websocket_of(edition);
    let mut client = Client::connect(addr).await;
    client
        .send_head(&format!(
            "GET {target}\n{HANDSHAKE}\nOrigin: http://t3.localhost\nCookie: {cookie}"
        ))
        .await;
    let response = client.head().await.expect("a response");
    assert_eq!(response.status, 101);
    client
}

async fn start_again(edition: Edition, addr: SocketAddr, base_dir: &std::path::Path) -> Standin {
    crate::common::start_again(StandinOptions::of(edition, base_dir), addr, SILENCE).await
}

async fn a_restart_under_load_fails_no_request(edition: Edition) {
    let world = World::of(edition, &[]).await;
    let addr = world.addr();
    let cookie = request(addr, &format!("GET /\n{PAGE}")).await.cookie();
    let mut loading: Vec<_> = (0..4).map(|_| keep_loading(addr, cookie.clone())).collect();
    let mut tab = open_tab(edition, addr, &cookie).await;
    let World {
        standin,
        dir,
        dispatcher,
    } = world;
    let (upstream, base_dir) = (standin.addr(), dir.path().join("t3"));
    let mut standin = standin;
    for outage_ms in [0, 300, 1500] {
        standin.kill();
        tab.rest().await;
        let reopening = tokio::spawn({
            let cookie = cookie.clone();
            async move { open_tab(edition, addr, &cookie).await }
        });
        tokio::time::sleep(Duration::from_millis(outage_ms)).await;
        standin = start_again(edition, upstream, &base_dir).await;
        let answering = Instant::now() + SILENCE;
        let reopened = tokio::time::timeout(PATIENCE, reopening).await;
        tab = reopened.expect("in time").expect("a 101");
        let late = Instant::now().saturating_duration_since(answering);
        println!("outage of {outage_ms} ms: live {late:?} after t3 answers again");
        assert!(late < Duration::from_secs(1), "{late:?}");
        for (counted, _) in &mut loading {
            load_anew(counted).await;
        }
    }
    for (counted, loading) in loading {
        drop(counted);
        loading.await.expect("no load failed");
    }
    drop((standin, dispatcher));
}

async fn a_t3_that_is_starting_is_waited_for_by_pages_and_sockets_but_not_by_fetches(
    edition: Edition,
) {
    let world = World::of(edition, &[]).await;
    let (addr, upstream) = (world.addr(), world.standin.addr());
    let cookie = request(addr, &format!("GET /\n{PAGE}")).await.cookie();
    assert_eq!(request(addr, "GET /readyz").await.text(), "up");
    let World {
        standin,
        dir,
        dispatcher,
    } = world;
    standin.kill();
    // A kept connection may still be served for a moment.
    let start = Instant::now();
    while request(addr, "GET /api/x").await.status < 502 {
        assert!(start.elapsed() < PATIENCE, "it was killed");
    }
    // A probe decides whether it is down.
    let start = Instant::now();
    let mut ready = request(addr, "GET /readyz").await;
    while ready.text() != "down" {
        assert!(start.elapsed() < PATIENCE, "{}", ready.text());
        ready = request(addr, "GET /readyz").await;
    }
    assert_eq!(ready.status, 503);
    assert_eq!(request(addr, "GET /healthz").await.status, 200);
    let standin = start_again(edition, upstream, &dir.path().join("t3")).await;
    let start = Instant::now();
    let fetch = request(addr, "GET /api/x").await;
    assert_eq!(
        (fetch.status, fetch.header("retry-after").as_str()),
        (503, "1")
    );
    assert!(start.elapsed() < SILENCE / 2, "at once");
    let page = request(addr, &format!("GET /\n{PAGE}\nCookie: {cookie}")).await;
    assert_eq!(page.status, 200);
    assert!(start.elapsed() >= SILENCE / 2, "it waited");
    assert_eq!(request(addr, "GET /readyz").await.text(), "up");
    drop((standin, dispatcher));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_t3_that_is_up_is_not_probed() {
    let world = World::start().await;
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
    // At its start the dispatcher gets its own session, and looks for those of earlier starts.
    let (start, list) = (Instant::now(), b"/api/auth/clients");
    let is_over = |seen: &[Seen]| seen.iter().any(|seen| seen.target == list);
    while !is_over(&world.standin.requests()) {
        assert!(start.elapsed() < PATIENCE, "the list of clients");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.standin.clear_requests();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut seen = world.standin.requests();
    // The warm-up may fetch the page's files meanwhile.
    seen.retain(|seen| {
        seen.target.starts_with(b"/.well-known") || seen.target.starts_with(b"/api")
    });
    assert_eq!(seen.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_pairings_take_little_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    command.env("DISPATCHER_IDENTITY_HEADER", "X-authentik-username");
    let process = Process::start(&mut command);
    let addr = process.addr;
    for round in 0..5 {
        let people = (0..40).map(|n| {
            let head = format!("GET /\n{PAGE}\nX-authentik-username: person{round}-{n}");
            tokio::spawn(async move { request(addr, &head).await.status })
        });
        for person in people.collect::<Vec<_>>() {
            assert_eq!(person.await.expect("no panic"), 302);
        }
    }
    let peak = process.peak_resident();
    println!("peak of {peak} KiB resident");
    // The bound of the release build, and a wider one for debug builds. The warm-up encodes the page's
    // script of 5.4 MB meanwhile, and holds it as t3 sent it.
    let most = if is_release() { 24 } else { 40 } * 1024;
    assert!(peak < most, "{peak} KiB");
    process.signal(Signal::TERM);
}
