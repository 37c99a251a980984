//! A thousand page loads at once: row 36.

use std::path::Path;
use std::time::Duration;

use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, PAGE};
use crate::resource_use::{MOST_KIB, assert_healthy};

/// The most CLI runs at once: t3's database takes few writers (contract §1).
const MOST_RUNS: usize = 2;

#[tokio::test]
async fn row_36_a_thousand_cookieless_page_loads_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    standin.set_faults(|faults| faults.cli_delay_ms = 300);
    command.args(["--mint", "cli"]);
    let base_dir = dir.path().join("t3");
    let process = Process::start(&mut command);
    let mut loads = Vec::new();
    for _ in 0..1000 {
        let mut client = Client::connect(process.addr).await;
        client.send_head(&format!("GET /\n{PAGE}")).await;
        loads.push(client);
    }
    for _ in 0..20 {
        assert_healthy(process.addr).await;
        let most = most_at_once(&base_dir);
        assert!(most <= MOST_RUNS, "{most} runs of the CLI at once");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let resident = process.resident();
    println!("{resident} KiB resident");
    assert!(resident < MOST_KIB, "{resident} KiB resident");
    assert!(most_at_once(&base_dir) > 0, "some did run");
}

/// The most CLI runs that were under way at any moment.
fn most_at_once(base_dir: &Path) -> usize {
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
