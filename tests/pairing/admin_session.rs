//! The dispatcher's own session on t3, and what t3's administrative endpoints give it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use t3_dispatcher::config::timing::Timing;
use t3_dispatcher::metrics::Metrics;
use t3_dispatcher::pairing::Pairing;
use t3_dispatcher::process::Tasks;
use t3_dispatcher::upstream::Upstream;
use t3_dispatcher::upstream::health::Readiness;
use t3_dispatcher::upstream::probe;
use t3_standin::journal;
use t3_standin::server::{Options as StandinOptions, Standin};
use t3_standin::store::sessions::SessionRow;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::common::{Dispatcher, PAGE, PATIENCE, World, config, request, start_again};

/// A pairing in front of a stand-in, without a server.
async fn pairing() -> (Standin, Pairing, TempDir) {
    let dir = TempDir::new().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path().join("t3")));
    let standin = standin.await.expect("a free port");
    let config = config(standin.addr(), dir.path(), &[]);
    let (metrics, tasks) = (Arc::<Metrics>::default(), Tasks::default());
    let readiness = Arc::new(Readiness::new(Arc::clone(&metrics)));
    let upstream = Upstream::new(
        config.upstream,
        config.limits.header_limit,
        config.timing,
        Arc::clone(&readiness),
        Arc::default(),
        tasks.clone(),
        probe::process_id(),
    );
    let pairing = Pairing::new(
        config.pairing,
        config.timing,
        Arc::new(upstream),
        readiness,
        metrics,
        tasks,
        8080,
    );
    (standin, pairing, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_s_clients_are_listed_and_revoked() {
    let (standin, pairing, _dir) = pairing().await;
    standin.issue_browser_session("alice").expect("it writes");
    let api = pairing.admin_api();
    let listed = api.clients().await.expect("a list");
    let [own, alice] = &listed[..] else {
        panic!("{listed:?}")
    };
    let row = &standin.sessions()[0];
    assert_eq!(
        (&alice.id, alice.label.as_deref()),
        (&row.id, Some("alice"))
    );
    assert_eq!(alice.method, "browser-session-cookie");
    assert!(alice.issued_at < alice.expires_at && !alice.current);
    assert!(own.current && own.subject == "cli-issued-session");
    assert!(api.revoke(&alice.id).await.expect("a yes"));
    assert!(!api.revoke(&alice.id).await.expect("a no"));
    assert!(
        api.revoke(&own.id).await.is_err(),
        "t3 lets none revoke itself"
    );
    assert_eq!(api.clients().await.expect("a list").len(), 1);
    assert_eq!(journal::starts(standin.base_dir()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_t3_refuses_is_asked_for_with_a_new_admin_session() {
    let (standin, pairing, _dir) = pairing().await;
    let first = pairing.admin_api().clients().await.expect("a list");
    standin.wipe_sessions();
    let second = pairing.admin_api().clients().await.expect("a list");
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].id, second[0].id);
    assert_eq!(journal::starts(standin.base_dir()).len(), 2);
}

/// A list of 30 days may be longer than any other response of t3's API.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_two_hundred_clients_is_read() {
    let (standin, pairing, _dir) = pairing().await;
    for number in 0..200 {
        let label = format!("person{number}");
        standin.issue_browser_session(&label).expect("it writes");
    }
    let listed = pairing.admin_api().clients().await.expect("a list");
    assert_eq!(listed.len(), 201);
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the CLI has run `count` times.
async fn until_cli_ran(base_dir: &Path, count: usize) {
    let ran = || journal::runs(base_dir).len() >= count;
    until(&format!("{count} runs of the CLI"), ran).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wipe_of_t3_no_page_load_waits_for_the_cli() {
    let World {
        standin,
        dispatcher,
        dir,
    } = World::start().await;
    let (upstream, base_dir) = (standin.addr(), dir.path().join("t3"));
    until_cli_ran(&base_dir, 1).await;
    standin.wipe_sessions();
    standin.kill();
    while request(dispatcher.addr, "GET /readyz").await.text() == "up" {
        request(dispatcher.addr, "GET /api/x").await;
    }
    let options = StandinOptions::new(&base_dir);
    let standin = start_again(options, upstream, Duration::ZERO).await;
    until_cli_ran(&base_dir, 2).await;
    standin.set_faults(|faults| faults.cli_hang = true);
    let page = request(dispatcher.addr, &format!("GET /\n{PAGE}")).await;
    assert_eq!(page.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wipe_that_nobody_noticed_is_noticed_in_time() {
    let often = |timing: &mut Timing| timing.admin_session_check = Duration::from_millis(50);
    let world = World::timed(&[], often).await;
    until_cli_ran(world.standin.base_dir(), 1).await;
    world.standin.wipe_sessions();
    until_cli_ran(world.standin.base_dir(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_session_that_lives_is_asked_for_at_a_coming_up_and_kept() {
    let world = World::start().await;
    until_cli_ran(world.standin.base_dir(), 1).await;
    world.standin.clear_requests();
    // A connection without a response makes t3 doubtful, and a probe finds it up again.
    request(world.addr(), "GET /standin/drop").await;
    let asked = || {
        let requests = world.standin.requests();
        let by_bearer = requests.iter().filter(|seen| {
            seen.target == b"/api/auth/session" && seen.header("authorization").is_some()
        });
        by_bearer.count() > 0
    };
    until("a question", asked).await;
    assert_eq!(world.cli_starts(), 1);
}

/// The sessions of t3 that are alive.
fn living(standin: &Standin) -> Vec<SessionRow> {
    let mut rows = standin.sessions();
    rows.retain(|row| !row.revoked);
    rows
}

fn is_alive(standin: &Standin, id: &str) -> bool {
    living(standin).iter().any(|row| row.id == id)
}

/// A port that stays taken, so that no other test gets it between two starts.
fn port() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    listener
}

/// Starts a dispatcher on `port` and waits for its own session.
async fn start_on(
    port: &std::net::TcpListener,
    standin: &Standin,
    dir: &Path,
) -> (Dispatcher, SessionRow) {
    let before = standin.sessions().len();
    let listener = TcpListener::from_std(port.try_clone().expect("a descriptor"));
    let config = config(standin.addr(), dir, &[]);
    let dispatcher = Dispatcher::on(listener.expect("a socket"), config).await;
    until("an admin session", || standin.sessions().len() > before).await;
    let own = standin.sessions().pop().expect("an admin session");
    (dispatcher, own)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_revokes_the_sessions_of_earlier_ones_and_no_other() {
    let dir = TempDir::new().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path().join("t3")));
    let standin = standin.await.expect("a free port");
    let port = port();
    let (first, earlier) = start_on(&port, &standin, dir.path()).await;
    let (_other, elsewhere) = start_on(&self::port(), &standin, dir.path()).await;
    let label = earlier.label.clone().expect("a label");
    let end = format!(":{}", first.addr.port());
    assert!(
        label.starts_with("t3-dispatcher ") && label.ends_with(&end),
        "{label}"
    );
    // A person may be called as one likes, and others may issue tokens.
    standin.issue_browser_session(&label).expect("it writes");
    for label in [
        "t3-dispatcher",
        "t3-dispatcher elsewhere:8080",
        &format!("{label}0"),
    ] {
        standin
            .issue_administrative_session(label)
            .expect("it writes");
    }
    let others = living(&standin).len() - 1;
    first.drain().await;
    let (_second, own) = start_on(&port, &standin, dir.path()).await;
    until("it is revoked", || !is_alive(&standin, &earlier.id)).await;
    assert!(is_alive(&standin, &elsewhere.id) && is_alive(&standin, &own.id));
    assert_eq!(
        (living(&standin).len(), own.label),
        (others + 1, Some(label))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_runs_no_cli_and_waits_for_none() {
    let world = World::start().await;
    until_cli_ran(world.standin.base_dir(), 1).await;
    world.standin.set_faults(|faults| faults.cli_hang = true);
    let World {
        standin,
        dispatcher,
        dir,
    } = world;
    let start = Instant::now();
    dispatcher.drain().await;
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(journal::starts(standin.base_dir()).len(), 1);
    // One that runs at the drain's beginning is ended.
    let config = config(standin.addr(), dir.path(), &[]);
    let dispatcher = Dispatcher::start(config).await;
    until("a run", || journal::starts(standin.base_dir()).len() == 2).await;
    let start = Instant::now();
    dispatcher.drain().await;
    assert!(start.elapsed() < Duration::from_secs(2));
}
