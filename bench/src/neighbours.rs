//! What a person feels of other people's t3s that hang, are slow or are gone: the slowest answers beside these, and beside
//! as many clients of t3s that are well.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::figures::{Figures, percentile};
use crate::load::http;
use crate::peers::Peer;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::Setup;

/// How many clients each of the others has.
const CLIENTS: usize = 16;

/// How long a client of theirs waits for an answer, and before it asks again.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// How long the slow t3 takes.
const SLOW: Duration = Duration::from_millis(300);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How many rounds, and how long each half of one is.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
}

/// Measures the first person, whose t3 is at `upstream`, beside three others that are well and three that are not, one after
/// the other in each round.
pub(crate) async fn run(
    plan: &Plan,
    setup: &Setup,
    path: &Path,
    upstream: SocketAddr,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let (hangs, slow) = (silent().await?, late().await?);
    let gone = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let people = [upstream, upstream, upstream, upstream, hangs, slow, gone];
    let rows = people.iter().enumerate().map(|(number, addr)| {
        let row = json!({ "host": addr.ip().to_string(), "port": addr.port(), "mint": [] });
        (format!("person-{number}@example.org"), row)
    });
    let table = Value::Object(rows.collect::<Map<_, _>>());
    std::fs::write(path, table.to_string())?;
    let running = setup.many(path).await?;
    for round in 0..plan.rounds {
        eprintln!("neighbours: round {} of {}", round + 1, plan.rounds);
        let beside = |others| beside(&running, others, plan.measured);
        record(figures, "neighbour_well", &beside(1..4).await?);
        record(figures, "neighbour_ill", &beside(4..7).await?);
    }
    Ok(())
}

/// How long each answer to the first person took, while each of the `others` has clients that ask.
async fn beside(
    running: &Running,
    others: Range<usize>,
    measured: Duration,
) -> Result<Vec<f64>, Failure> {
    let clients = others.flat_map(|person| std::iter::repeat_n(person, CLIENTS));
    let clients = join_all(clients.map(|person| asks_on(running.addr, person)));
    let first = async {
        sleep(PATIENCE).await;
        asked(running, measured).await
    };
    tokio::select! {
        took = first => took,
        _ = clients => Err("nobody asks any more".into()),
    }
}

/// Asks for ever as that person, whatever comes.
async fn asks_on(addr: SocketAddr, person: usize) {
    loop {
        let _ = timeout(PATIENCE, http::is_served_to(addr, person)).await;
        sleep(PAUSE).await;
    }
}

/// How long each answer to the first person took, in milliseconds.
async fn asked(running: &Running, measured: Duration) -> Result<Vec<f64>, Failure> {
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < measured {
        let asked = Instant::now();
        if !http::is_served_to(running.addr, 0).await {
            return Err("who has a t3 that is well was not served".into());
        }
        took.push(asked.elapsed().as_secs_f64() * 1e3);
        sleep(Duration::from_millis(1)).await;
    }
    Ok(took)
}

fn record(figures: &mut Figures, row: &str, took: &[f64]) {
    for (name, share) in [("median", 0.5), ("p99", 0.99)] {
        let value = percentile(took, share).unwrap_or_default();
        figures.add(&format!("{row}_{name}_ms"), Peer::Dispatcher.name(), value);
    }
}

/// A t3 that accepts and says nothing.
async fn silent() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    Ok(addr)
}

/// A t3 that takes its time.
async fn late() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    sleep(SLOW).await;
                    if stream.write_all(ANSWER).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(addr)
}
