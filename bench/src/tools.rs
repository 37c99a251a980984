//! What a hop costs under other loads: one client, 32, a constant rate; each by the bench's own client and upstream, and by wrk and nginx.

use std::time::Duration;

use crate::figures::Figures;
use crate::load::{Clients, Load, Window, wrk};
use crate::peers::Peer;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::Setup;

/// Who is compared.
pub(crate) const PEERS: [Peer; 4] = [Peer::Relay, Peer::Nginx, Peer::Haproxy, Peer::Dispatcher];

/// Each with its part of the rows' keys.
const CLIENTS: [(Clients, &str); 3] = [
    (Clients::One, "one"),
    (Clients::Many, "many"),
    (Clients::Paced, "paced"),
];

/// Whose client and upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    /// The bench's own.
    Own,
    /// wrk and nginx.
    Foreign,
}

impl Tools {
    const ALL: [Self; 2] = [Self::Own, Self::Foreign];

    /// Its part of the rows' keys.
    fn key(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Foreign => "wrk",
        }
    }
}

/// How long and how often. How long wrk runs is its own affair.
pub(crate) struct Plan {
    rounds: usize,
    warm: Duration,
    measured: Duration,
}

impl Plan {
    pub(crate) fn new(is_smoke: bool) -> Self {
        let ms = Duration::from_millis;
        let (rounds, warm, measured) = match is_smoke {
            true => (1, ms(50), ms(200)),
            false => (5, ms(200), ms(1000)),
        };
        Self {
            rounds,
            warm,
            measured,
        }
    }
}

/// Measures all loads in each round, and under each all proxies one after another, in turned order; `upstream` is the bench's own.
pub(crate) async fn run(
    plan: &Plan,
    setup: &Setup,
    upstream: u16,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let foreign = setup.nginx_upstream().await?;
    let mut all = Vec::new();
    for tools in Tools::ALL {
        let upstream = match tools {
            Tools::Own => upstream,
            Tools::Foreign => foreign.addr.port(),
        };
        let mut peers = Vec::new();
        for peer in PEERS {
            let running = setup.start(peer, upstream).await?;
            peers.push((peer, running.ok_or("nothing to start")?));
        }
        all.push((tools, peers));
    }
    for round in 0..plan.rounds {
        eprintln!("other loads: round {} of {}", round + 1, plan.rounds);
        for (tools, peers) in &mut all {
            for (clients, key) in CLIENTS {
                let key = format!("{}_{key}", tools.key());
                for (peer, running) in peers.iter() {
                    let window = measure(plan, setup, *tools, clients, running).await;
                    let window = window
                        .map_err(|error| format!("{key} through {}: {error}", peer.name()))?;
                    note(&key, *peer, &window, figures);
                }
                peers.rotate_left(1);
            }
        }
    }
    Ok(())
}

async fn measure(
    plan: &Plan,
    setup: &Setup,
    tools: Tools,
    clients: Clients,
    running: &Running,
) -> Result<Window, Failure> {
    let tree = running.tree()?;
    match tools {
        Tools::Own => {
            let load = Load::Kibibyte(clients);
            load.measure(running.addr, &tree, plan.warm, plan.measured)
                .await
        }
        Tools::Foreign => wrk::measure(clients, running.addr, &tree, setup.peers()),
    }
}

fn note(key: &str, peer: Peer, window: &Window, figures: &mut Figures) {
    let mut add = |what: &str, value: f64| {
        figures.add(&format!("{key}_{what}"), peer.name(), value);
    };
    add("cpu_us", window.each_us());
    add("system_us", window.each_us() - window.each_user_us());
    add("wakeups", window.wakeups as f64 / window.done as f64);
    add("per_second", window.per_second());
}
