//! A loop is told from windows, and no person has more than so many sessions a minute.

use std::time::Duration;

use rustix::process::Signal;

use crate::common::http::Response;
use crate::common::process::{Process, standin_and_command};
use crate::common::{PAGE, World, request};

const IDENTITY: [&str; 2] = ["--identity-header", "X-authentik-username"];

/// How many pairings a person may begin at once.
const BURST: usize = 30;

async fn load(world: &World, further: &str) -> Response {
    let head = format!("GET /\n{PAGE}\nX-authentik-username: alice{further}");
    request(world.addr(), &head).await
}

async fn refused(world: &World, cause: &str) -> f64 {
    let series = format!("pairings_refused_total{{cause=\"{cause}\"}}");
    world.metrics().await.get(&series)
}

/// Of one person, with the same program at the same address.
#[tokio::test]
async fn three_fresh_profiles_three_seconds_apart_are_all_paired() {
    let world = World::with(&IDENTITY).await;
    for profile in 0..3 {
        if profile > 0 {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        let response = load(&world, "").await;
        assert_eq!(response.status, 302, "profile {profile}");
    }
    assert_eq!(world.exchanges(), 3, "each has its own session");
    assert_eq!(refused(&world, "loop").await, 0.0);
}

#[tokio::test]
async fn fresh_profiles_whose_redirect_brings_the_session_are_all_paired_at_any_pace() {
    let world = World::with(&IDENTITY).await;
    for profile in 0..8 {
        let response = load(&world, "").await;
        assert_eq!(response.status, 302, "profile {profile}");
        let cookie = format!("\nCookie: {}", response.cookie());
        assert_eq!(load(&world, &cookie).await.status, 200, "profile {profile}");
    }
    assert_eq!(world.exchanges(), 8);
    assert_eq!(refused(&world, "loop").await, 0.0);
}

/// Another window of the same person does not break the loop.
#[tokio::test]
async fn a_browser_that_keeps_no_cookies_stops_after_two_redirects_beside_a_window_that_does() {
    let world = World::with(&IDENTITY).await;
    let window = load(&world, "").await.cookie();
    let window = format!("\nCookie: {window}");
    assert_eq!(load(&world, &window).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(load(&world, "").await.status);
        assert_eq!(load(&world, &window).await.status, 200);
    }
    assert_eq!(statuses[..2], [302, 302]);
    let is_stopped = |status: &u16| *status == 200;
    assert!(statuses[2..].iter().all(is_stopped), "{statuses:?}");
    assert_eq!(refused(&world, "loop").await, 8.0);
}

#[tokio::test]
async fn no_limit_is_lost_by_another_program_s_name_or_another_address() {
    let trusted = ["--trusted-proxies", "127.0.0.1"];
    let world = World::with(&[&IDENTITY[..], &trusted].concat()).await;
    let mut paired = 0;
    for number in 0..2 * BURST {
        let head = format!(
            "GET /\n{}\nX-authentik-username: mallory\nX-Forwarded-For: 192.0.2.{number}",
            PAGE.replace("(test)", &number.to_string())
        );
        let response = request(world.addr(), &head).await;
        assert!(matches!(response.status, 200 | 302), "{}", response.status);
        paired += usize::from(response.status == 302);
    }
    // One more each two seconds, on a slow machine.
    assert!((BURST..BURST + 10).contains(&paired), "{paired} sessions");
    assert_eq!(world.exchanges(), paired);
    let limited = (2 * BURST - paired) as f64;
    assert_eq!(refused(&world, "rate").await, limited);
    assert_eq!(load(&world, "").await.status, 302, "alice has her own");
}

/// Ten restored tabs and twenty browsers of this machine, where nobody says who is behind them.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_comes_at_once_is_below_the_limit() {
    let world = World::start().await;
    // Long enough that all are here before the first is paired.
    world
        .standin
        .set_faults(|faults| faults.auth_delay_ms = 500);
    let addr = world.addr();
    let loads = (0..BURST).map(|number| {
        let page = PAGE.replace("(test)", &number.saturating_sub(10).to_string());
        let head = format!("GET /t/{number}\n{page}");
        tokio::spawn(async move { request(addr, &head).await.status })
    });
    for load in loads.collect::<Vec<_>>() {
        assert_eq!(load.await.expect("no panic"), 302);
    }
    assert_eq!(refused(&world, "rate").await, 0.0);
}

#[tokio::test]
async fn a_person_with_too_many_sessions_is_told_once_in_the_log() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    command.env("DISPATCHER_IDENTITY_HEADER", "X-User");
    let process = Process::start(&mut command);
    for number in 0..BURST + 20 {
        let page = PAGE.replace("(test)", &number.to_string());
        request(process.addr, &format!("GET /\n{page}\nX-User: mallory")).await;
    }
    process.signal(Signal::TERM);
    let (_, log) = process.end();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("too many sessions for one person in a minute"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("WARN") && told[0].contains("mallory"),
        "{told:?}"
    );
}
