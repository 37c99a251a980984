//! Many page loads at once: a session for each person, one for each browser, one CLI run at a time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::common::http::Response;
use crate::common::{Edition, PAGE, PATIENCE, World, in_front_of_each_t3, request};
use t3_standin::journal;

in_front_of_each_t3!(
    a_page_load_needs_no_run_of_the_cli,
    twenty_people_by_the_cli_get_twenty_sessions_one_run_at_a_time,
    forty_people_by_the_api_get_forty_sessions_each_with_their_name,
);

/// Only requests with an identity share a pairing.
const IDENTITY: [&str; 2] = ["--identity-header", "X-authentik-username"];

async fn load_as(addr: std::net::SocketAddr, user: String, target: String) -> Response {
    request(
        addr,
        &format!("GET {target}\n{PAGE}\nX-authentik-username: {user}"),
    )
    .await
}

/// Loads at the same moment, each by a user and for a target.
async fn at_once(world: &World, loads: Vec<(String, String)>) -> Vec<Response> {
    let loads = loads
        .into_iter()
        .map(|(user, target)| tokio::spawn(load_as(world.addr(), user, target)));
    let mut responses = Vec::new();
    for load in loads.collect::<Vec<_>>() {
        responses.push(load.await.expect("no panic"));
    }
    responses
}

/// Waits until the dispatcher has its admin session.
async fn warmed_up(world: &World) {
    let base = world.standin.base_dir().to_owned();
    let warm = async {
        while journal::runs(&base).is_empty() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, warm)
        .await
        .expect("one run of the command");
}

fn distinct_sessions(responses: &[Response]) -> usize {
    assert!(responses.iter().all(|response| response.status == 302));
    responses
        .iter()
        .map(Response::cookie)
        .collect::<HashSet<_>>()
        .len()
}

async fn a_page_load_needs_no_run_of_the_cli(edition: Edition) {
    let world = World::of(edition, &[]).await;
    world
        .standin
        .set_faults(|faults| faults.cli_delay_ms = 2000);
    warmed_up(&world).await;
    let mut times = Vec::new();
    for user in 0..9 {
        let start = Instant::now();
        let page = format!("GET /\n{PAGE}{user}");
        assert_eq!(request(world.addr(), &page).await.status, 302);
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "paired by the API in {:?} (median of {})",
        times[4],
        times.len()
    );
    assert!(times[4] < Duration::from_millis(100), "{times:?}");
    assert_eq!(journal::starts(world.standin.base_dir()).len(), 1);
}

async fn twenty_people_by_the_cli_get_twenty_sessions_one_run_at_a_time(edition: Edition) {
    let world = World::of(edition, &[&IDENTITY[..], &["--mint", "cli"]].concat()).await;
    world.standin.set_faults(|faults| faults.cli_lock = true);
    let people = (0..20)
        .map(|n| (format!("person{n}"), "/".to_owned()))
        .collect();
    let responses = at_once(&world, people).await;
    assert_eq!(distinct_sessions(&responses), 20);
    let mut runs = journal::runs(world.standin.base_dir());
    let credentials = runs.iter().filter(|run| run.args[1] == "pairing");
    assert_eq!(credentials.count(), 20);
    runs.sort_by_key(|run| run.started_us);
    let overlap = runs
        .windows(2)
        .any(|pair| pair[1].started_us < pair[0].ended_us);
    assert!(!overlap, "{runs:?}");
    assert!(runs.iter().all(|run| run.rc == 0));
}

async fn forty_people_by_the_api_get_forty_sessions_each_with_their_name(edition: Edition) {
    let world = World::of(edition, &IDENTITY).await;
    warmed_up(&world).await;
    let people = (0..40)
        .map(|n| (format!("person{n}@h.test"), "/".to_owned()))
        .collect();
    let responses = at_once(&world, people).await;
    assert_eq!(distinct_sessions(&responses), 40);
    let labels: HashSet<_> = world
        .standin
        .sessions()
        .into_iter()
        .filter_map(|made| made.label)
        .collect();
    assert!(
        (0..40).all(|n| labels.contains(&format!("person{n}@h.test@sso"))),
        "{labels:?}"
    );
    assert_eq!(journal::starts(world.standin.base_dir()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tabs_of_one_browser_share_their_session() {
    let world = World::with(&IDENTITY).await;
    warmed_up(&world).await;
    world.standin.set_faults(|faults| faults.auth_delay_ms = 50);
    let tabs = (0..10)
        .map(|n| ("alice".to_owned(), format!("/t/{n}")))
        .collect();
    let responses = at_once(&world, tabs).await;
    assert_eq!(distinct_sessions(&responses), 1);
    assert_eq!(world.exchanges(), 1);
    for (n, response) in responses.iter().enumerate() {
        assert_eq!(
            response.header("location"),
            format!("/t/{n}"),
            "each its own page"
        );
    }
    // A tab that comes a little later still gets the session of the others.
    let late = load_as(world.addr(), "alice".to_owned(), "/t/late".to_owned()).await;
    assert_eq!(late.cookie(), responses[0].cookie());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_never_share_a_session() {
    let world = World::with(&IDENTITY).await;
    warmed_up(&world).await;
    world.standin.set_faults(|faults| faults.auth_delay_ms = 50);
    let people = ["alice", "bob", "alice ", "Alice"];
    let people = people
        .map(|user| (user.to_owned(), "/".to_owned()))
        .to_vec();
    let responses = at_once(&world, people).await;
    // "alice " is alice: whitespace around a field's value is not part of it.
    assert_eq!(distinct_sessions(&responses), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_identity_no_pairing_is_shared() {
    let world = World::start().await;
    warmed_up(&world).await;
    world
        .standin
        .set_faults(|faults| faults.auth_delay_ms = 100);
    let loads = (0..5).map(|n| (String::new(), format!("/t/{n}"))).collect();
    let responses = at_once(&world, loads).await;
    assert_eq!(distinct_sessions(&responses), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_found_the_database_locked_is_repeated() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.cli_locked_times = 3);
    assert_eq!(
        request(world.addr(), &format!("GET /\n{PAGE}"))
            .await
            .status,
        302
    );
    assert_eq!(journal::starts(world.standin.base_dir()).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cli_mints_if_the_api_does_not() {
    for status in [404, 403, 500] {
        let world = World::start().await;
        warmed_up(&world).await;
        world
            .standin
            .set_faults(|faults| faults.pairing_token_status = Some(status));
        let response = request(world.addr(), &format!("GET /\n{PAGE}")).await;
        assert_eq!(response.status, 302, "{status}");
        assert_eq!(
            journal::starts(world.standin.base_dir()).len(),
            2,
            "{status}"
        );
    }
    let world = World::start().await;
    world
        .standin
        .set_faults(|faults| faults.cli_no_session_issue = true);
    warmed_up(&world).await;
    assert_eq!(
        request(world.addr(), &format!("GET /\n{PAGE}"))
            .await
            .status,
        302
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_session_that_t3_refuses_is_replaced() {
    let world = World::with(&["--mint", "api"]).await;
    warmed_up(&world).await;
    world.standin.wipe_sessions();
    assert_eq!(
        request(world.addr(), &format!("GET /\n{PAGE}"))
            .await
            .status,
        302
    );
    assert_eq!(journal::starts(world.standin.base_dir()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_load_that_would_wait_too_long_is_forwarded_at_once() {
    let patience = Duration::from_secs(3);
    let args = [&IDENTITY[..], &["--mint", "cli"]].concat();
    let world = World::timed(&args, |timing| timing.pairing_patience = patience).await;
    world.standin.set_faults(|faults| faults.cli_delay_ms = 300);
    let first = load_as(world.addr(), "first".to_owned(), "/".to_owned()).await;
    assert_eq!(first.status, 302, "now it is known how long a run takes");
    let start = Instant::now();
    let people = (0..30)
        .map(|n| (format!("person{n}"), "/".to_owned()))
        .collect();
    let responses = at_once(&world, people).await;
    let took = start.elapsed();
    assert!(took < patience + Duration::from_secs(4), "{took:?}");
    let paired = responses
        .iter()
        .filter(|response| response.status == 302)
        .count();
    assert!((2..=10).contains(&paired), "{paired}");
    assert!(
        responses
            .iter()
            .all(|response| matches!(response.status, 200 | 302))
    );
}
