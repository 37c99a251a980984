//! What a person waits for: a real browser on a slow line, from the address to a live WebSocket.

pub(crate) mod real_t3;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::peers::Peer;
use crate::proc;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::{Setup, Variable};
use crate::tests::browser::{Browser, Page};
use crate::tests::line::DESK;

/// What the real command takes (contract §1).
const CLI_DELAY_MS: u64 = 2000;

const LIVE: &str = "document.documentElement.dataset.state === 'live'";
const LIMIT: Duration = Duration::from_secs(60);

/// A request was sent; a WebSocket is open.
const ASKED: &str = "Network.requestWillBeSent";
const OPENED: &str = "Network.webSocketHandshakeResponseReceived";

/// What trickles in behind the socket belongs to the load.
const TAIL: Duration = Duration::from_secs(1);

/// A proxy is ready once it spends less than this of a second, whatever it did since its start.
const QUIET: Duration = Duration::from_millis(20);
const QUIET_LIMIT: u32 = 180;

/// In front of the page: the old way, the dispatcher as a mere hop, the dispatcher.
const COMPARED: [(Peer, &str, Option<Variable>); 3] = [
    (Peer::OldWay, "old way", None),
    (
        Peer::Dispatcher,
        "as is",
        Some(("DISPATCHER_ASSETS", "off")),
    ),
    (Peer::Dispatcher, "t3-dispatcher", None),
];

/// The names under which the figures are kept.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COMPARED.iter().map(|(_, name, _)| *name)
}

/// Writes the figures to `file`. A smoke run has no line and a fast command.
pub(crate) async fn run(file: &Path, is_smoke: bool) -> Result<(), Failure> {
    let rounds = if is_smoke { 1 } else { 5 };
    let setup = Setup::from_environment(None)?;
    if !is_smoke {
        slow_down_the_cli(&setup)?;
    }
    let standin = setup.standin().await?;
    let mut figures = Figures::default();
    for (peer, name, more) in COMPARED {
        let running = setup.start_with(peer, standin.addr.port(), more);
        let running = running.await?.ok_or("nothing to start")?;
        let mut line = None;
        if !is_smoke {
            until_quiet(&running).await?;
            line = Some(setup.line(DESK, running.addr.port()).await?);
        }
        let addr = line.as_ref().unwrap_or(&running).addr;
        for round in 1..=rounds {
            eprintln!("page, {name}: round {round} of {rounds}");
            let browser = Browser::launch().await;
            let browser = browser.ok_or("no browser to measure with")?;
            let page = browser.page().await;
            // One person who came so often without a session would not be paired for ever.
            let person = format!("person-{round}@example.org");
            page.set_extra_headers(&[("X-authentik-username", &person)])
                .await;
            visit(&page, addr, name, &mut figures).await;
        }
    }
    figures.save(file)
}

/// A first visit, and a reload.
async fn visit(page: &Page, addr: SocketAddr, name: &str, figures: &mut Figures) {
    let url = format!("http://{addr}/");
    for (row, is_first) in [("cold", true), ("again", false)] {
        let answers = page.responses().len();
        let (asked, opened) = (times(page, ASKED).len(), times(page, OPENED).len());
        match is_first {
            true => page.navigate(&url).await,
            false => page.reload().await,
        }
        page.wait_for(LIVE, LIMIT).await;
        sleep(TAIL).await;
        let responses = page.responses();
        let bytes = responses[answers..]
            .iter()
            .map(|answer| answer.encoded_bytes);
        let waited = times(page, OPENED)[opened] - times(page, ASKED)[asked];
        figures.add(
            &format!("page_{row}_bytes"),
            name,
            bytes.sum::<u64>() as f64,
        );
        figures.add(&format!("page_{row}_ms"), name, waited * 1e3);
    }
}

/// When the events of that name happened, in the browser's seconds.
fn times(page: &Page, event: &str) -> Vec<f64> {
    let events = page.events(event);
    let times = events
        .iter()
        .filter_map(|event| event["timestamp"].as_f64());
    times.collect()
}

/// What a dispatcher does behind a start (an administrative session, compression) is not what a visitor waits for.
async fn until_quiet(running: &Running) -> Result<(), Failure> {
    sleep(Duration::from_millis(2 * CLI_DELAY_MS)).await;
    let start = Instant::now();
    for _ in 0..QUIET_LIMIT {
        let before = proc::cpu(&running.tree()?)?;
        sleep(Duration::from_secs(1)).await;
        if proc::cpu(&running.tree()?)?.since(before).total < QUIET {
            return Ok(());
        }
    }
    Err(format!("still busy {:?} after its start", start.elapsed()).into())
}

fn slow_down_the_cli(setup: &Setup) -> Result<(), Failure> {
    let faults = setup.home().join("standin");
    fs::create_dir_all(&faults)?;
    let slow = json!({ "cli_delay_ms": CLI_DELAY_MS });
    Ok(fs::write(faults.join("faults.json"), slow.to_string())?)
}
