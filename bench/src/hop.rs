//! What a hop costs: all peers one after another in each round, in turned order, over one upstream.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::figures::{Figures, percentile};
use crate::footprint;
use crate::load::{Clients, Load, Window};
use crate::machine::{self, Cores};
use crate::peers::Peer;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::Setup;
use crate::tools;

/// How long and how often.
struct Plan {
    rounds: usize,
    warm: Duration,
    measured: Duration,
    tools: tools::Plan,
    footprint: footprint::Plan,
}

impl Plan {
    fn new(is_smoke: bool) -> Self {
        let ms = Duration::from_millis;
        let (rounds, warm, measured) = match is_smoke {
            true => (1, ms(100), ms(300)),
            false => (5, ms(300), ms(1200)),
        };
        Self {
            rounds,
            warm,
            measured,
            tools: tools::Plan::new(is_smoke),
            footprint: footprint::Plan::new(is_smoke),
        }
    }
}

/// The row, and its only name, of what else the machine did when the run began.
pub(crate) const OTHERS: &str = "other programs";

/// Writes the figures to `file`.
pub(crate) async fn run(file: &Path, is_smoke: bool) -> Result<(), Failure> {
    let plan = Plan::new(is_smoke);
    let setup = Setup::from_environment(Some(Cores::take()?))?;
    let upstream = setup.upstream().await?;
    let port = upstream.addr.port();
    let mut peers = Vec::new();
    for peer in Peer::ALL {
        peers.push((peer, setup.start(peer, port).await?));
    }
    let mut figures = Figures::default();
    if let Some(load) = machine::load() {
        figures.add(OTHERS, OTHERS, load);
    }
    eprintln!("idle");
    footprint::idle(&plan.footprint, &peers, &mut figures).await?;
    let many = Load::Kibibyte(Clients::Many);
    for load in [many, Load::WebSocket, Load::Body, Load::Upload] {
        rounds(&plan, &load, &mut peers, upstream.addr, &mut figures).await?;
        figures.save(file)?;
    }
    footprint::loaded(&peers, &mut figures)?;
    drop(peers);
    tools::run(&plan.tools, &setup, port, &mut figures).await?;
    figures.save(file)?;
    footprint::tunnels(&plan.footprint, &setup, port, &mut figures).await?;
    eprintln!("starts");
    footprint::starts(&plan.footprint, &setup, port, &mut figures).await?;
    figures.save(file)
}

async fn rounds(
    plan: &Plan,
    load: &Load,
    peers: &mut [(Peer, Option<Running>)],
    upstream: SocketAddr,
    figures: &mut Figures,
) -> Result<(), Failure> {
    for round in 0..plan.rounds {
        eprintln!("{load:?}: round {} of {}", round + 1, plan.rounds);
        for (peer, running) in peers.iter() {
            let (addr, tree) = match running {
                Some(running) => (running.addr, running.tree()?),
                None => (upstream, Vec::new()),
            };
            if matches!(load, Load::WebSocket) && !peer.upgrades() {
                continue;
            }
            let window = load.measure(addr, &tree, plan.warm, plan.measured).await;
            let window = window.map_err(|error| format!("{}: {error}", peer.name()))?;
            note(load, *peer, &window, figures);
        }
        // Whoever was first is last, so that nobody is always warmed up by the same one.
        peers.rotate_left(1);
    }
    Ok(())
}

fn note(load: &Load, peer: Peer, window: &Window, figures: &mut Figures) {
    let mut add = |row: &str, value: f64| figures.add(row, peer.name(), value);
    let seconds = window.elapsed.as_secs_f64();
    let each_us = window.each_us();
    let has_cost = peer != Peer::Direct;
    match load {
        Load::Kibibyte(_) | Load::Request(_) => {
            let latencies: Vec<f64> = window
                .latencies
                .iter()
                .map(|time| time.as_secs_f64() * 1e6)
                .collect();
            add("get_per_second", window.per_second());
            add(
                "get_p99_us",
                percentile(&latencies, 0.99).unwrap_or_default(),
            );
            if has_cost {
                add("get_cpu_us", each_us);
                add("get_user_us", window.each_user_us());
                add("get_system_us", each_us - window.each_user_us());
            }
        }
        Load::Body | Load::Upload => {
            let (rate, cost) = match load {
                Load::Body => ("body_mb_per_second", "body_cpu_ms_per_gb"),
                _ => ("upload_mb_per_second", "upload_cpu_ms_per_gb"),
            };
            add(rate, window.bytes as f64 / 1e6 / seconds);
            if has_cost {
                let cpu = window.cpu.total.as_secs_f64();
                add(cost, cpu * 1e12 / window.bytes as f64);
            }
        }
        Load::WebSocket => {
            add("ws_per_second", window.per_second());
            if has_cost {
                add("ws_cpu_us", each_us);
            }
        }
    }
}
