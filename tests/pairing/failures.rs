//! A failure of pairing leaves the page to t3's own pairing screen, and no process behind.

use std::time::{Duration, Instant};

use t3_standin::faults::Faults;

use crate::common::{Client, PAGE, PATIENCE, World, request};

async fn load(world: &World, target: &str) -> crate::common::http::Response {
    request(world.addr(), &format!("GET {target}\n{PAGE}")).await
}

/// The page load is forwarded to t3, which shows its own pairing screen.
async fn falls_back(world: &World) {
    let response = load(world, "/t/1").await;
    assert_eq!(response.status, 200);
    assert!(response.text().contains("<html"), "t3's page");
    assert_eq!(response.header("set-cookie"), "");
}

#[tokio::test]
async fn a_cli_that_fails_leaves_the_page_to_t3() {
    let world = World::with(&["--mint", "cli"]).await;
    world.standin.set_faults(|faults| faults.cli_fail = true);
    falls_back(&world).await;
}

#[tokio::test]
async fn a_cli_that_prints_rubbish_leaves_the_page_to_t3() {
    let world = World::with(&["--mint", "cli"]).await;
    world.standin.set_faults(|faults| faults.cli_garbage = true);
    falls_back(&world).await;
    world.standin.set_faults(|faults| {
        faults.cli_garbage = false;
        faults.cli_empty_credential = true;
    });
    falls_back(&world).await;
}

#[tokio::test]
async fn a_cli_that_prints_fifty_megabytes_is_stopped() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.cli_flood_bytes = 50 << 20);
    let start = Instant::now();
    falls_back(&world).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_children_gone(&world).await;
}

#[tokio::test]
async fn a_cli_that_hangs_is_killed_after_its_time_and_others_are_served_meanwhile() {
    let limit = Duration::from_secs(2);
    let world = World::timed(&["--mint", "cli"], |timing| timing.cli_run = limit).await;
    world.standin.set_faults(|faults| faults.cli_hang = true);
    let mut client = Client::connect(world.addr()).await;
    let start = Instant::now();
    client.send_head(&format!("GET /t/1\n{PAGE}")).await;
    let meanwhile = request(world.addr(), "GET /standin/1k").await;
    assert_eq!(meanwhile.status, 200);
    assert!(start.elapsed() < limit);
    let response = client.response(false).await;
    assert_eq!(
        (response.status, response.header("set-cookie").as_str()),
        (200, "")
    );
    let took = start.elapsed();
    assert!((limit..limit * 3).contains(&took), "{took:?}");
    assert_eq!(world.cli_starts(), 1);
    assert_children_gone(&world).await;
}

#[tokio::test]
async fn a_cli_that_leaves_a_child_behind_does_not_hold_the_person_up() {
    let world = World::with(&["--mint", "cli"]).await;
    world
        .standin
        .set_faults(|faults| faults.cli_spawn_grandchild = true);
    let start = Instant::now();
    assert_eq!(load(&world, "/").await.status, 302);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_children_gone(&world).await;
}

#[tokio::test]
async fn a_missing_cli_leaves_the_page_to_t3() {
    let world = World::with(&["--mint", "cli", "--t3-bin", "/nowhere/t3"]).await;
    falls_back(&world).await;
}

#[tokio::test]
async fn an_exchange_that_is_refused_leaves_the_page_to_t3() {
    let world = World::with(&["--mint", "cli"]).await;
    let faults: [fn(&mut Faults); 4] = [
        |faults| faults.refuse_exchange = true,
        |faults| faults.exchange_status = Some(500),
        |faults| faults.no_set_cookie = true,
        |faults| faults.exchange_lost = true,
    ];
    for fault in faults {
        world
            .standin
            .set_faults(|faults| *faults = Faults::default());
        world.standin.set_faults(fault);
        falls_back(&world).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_the_cli_runs_leaves_no_process_behind() {
    let world = World::with(&["--mint", "cli"]).await;
    world.standin.set_faults(|faults| faults.cli_hang = true);
    let mut client = Client::connect(world.addr()).await;
    client.send_head(&format!("GET /\n{PAGE}")).await;
    let started = async {
        while world.cli_starts() == 0 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, started)
        .await
        .expect("the CLI starts");
    drop(client);
    assert_children_gone(&world).await;
}

/// Waits until nothing is left of any run of the CLI: no process of its group, not even a zombie.
async fn assert_children_gone(world: &World) {
    let gone = async {
        while !left_behind(world).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await;
    assert!(gone.is_ok(), "left behind: {:?}", left_behind(world));
}

fn left_behind(world: &World) -> Vec<String> {
    let starts = t3_standin::journal::starts(world.standin.base_dir());
    let groups: Vec<_> = starts.iter().map(|start| start.pid.to_string()).collect();
    let processes = std::fs::read_dir("/proc").expect("procfs");
    let stats = processes.filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let group = fields.split(' ').nth(2)?;
        groups.iter().any(|held| held == group).then_some(stat)
    });
    stats.collect()
}
