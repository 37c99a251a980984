//! Everybody at once: row 36.

use std::time::{Duration, Instant};

use crate::common::{Client, PAGE, World, request};

/// So many runs of the CLI at once are bounded: t3's database takes few writers (contract §1).
const MOST_RUNS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_36_a_thousand_cookieless_page_loads_at_once() {
    let world = World::start().await;
    world.standin.set_faults(|faults| faults.cli_delay_ms = 300);
    let addr = world.addr();
    let mut loads = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        loads.spawn(async move {
            let mut client = Client::connect(addr).await;
            client.send_head(&format!("GET /\n{PAGE}")).await;
            let head = tokio::time::timeout(Duration::from_secs(60), client.head()).await;
            head.ok().flatten().map(|answer| answer.status)
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(request(addr, "GET /healthz").await.status, 200);
        slowest = slowest.max(start.elapsed());
        let most = most_at_once(&world);
        assert!(most <= MOST_RUNS, "{most} runs of the CLI at once");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        slowest < Duration::from_secs(1),
        "/healthz took {slowest:?}"
    );
    drop(loads);
}

/// The most runs of the CLI that were under way at any moment.
fn most_at_once(world: &World) -> usize {
    let base_dir = world.standin.base_dir();
    let ends = t3_standin::journal::runs(base_dir);
    let starts = t3_standin::journal::starts(base_dir);
    let starts = starts.iter().map(|start| (start.started_us, 1));
    let mut events: Vec<_> = starts
        .chain(ends.iter().map(|end| (end.ended_us, -1_isize)))
        .collect();
    events.sort_unstable();
    let mut under_way = 0;
    let counts = events.iter().map(|(_, change)| {
        under_way += change;
        under_way
    });
    usize::try_from(counts.max().unwrap_or(0)).unwrap_or(0)
}
