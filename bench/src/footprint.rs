//! What a proxy takes while it does nothing or little: memory, wake-ups, tunnels that are open, its start.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::load::websocket;
use crate::peers::Peer;
use crate::proc;
use crate::roles::Failure;
use crate::running::Running;
use crate::setup::Setup;

/// One person's tunnels: fewer than the dispatcher allows one.
const TUNNELS_A_PERSON: usize = 100;

/// How long and how many.
pub(crate) struct Plan {
    /// Until what a start leaves behind has ended.
    settle: Duration,
    /// In which wake-ups are counted.
    idle: Duration,
    tunnels: usize,
    /// With all tunnels open: longer than the dispatcher's first look at their sessions takes to come.
    open: Duration,
    starts: usize,
}

impl Plan {
    pub(crate) fn new(is_smoke: bool) -> Self {
        let ms = Duration::from_millis;
        match is_smoke {
            true => Self {
                settle: ms(500),
                idle: ms(1000),
                tunnels: 200,
                open: ms(200),
                starts: 1,
            },
            false => Self {
                settle: ms(7000),
                idle: ms(10_000),
                tunnels: 4000,
                open: ms(17_000),
                starts: 20,
            },
        }
    }
}

/// Memory and wake-ups of peers that were just started.
pub(crate) async fn idle(
    plan: &Plan,
    peers: &[(Peer, Option<Running>)],
    figures: &mut Figures,
) -> Result<(), Failure> {
    sleep(plan.settle).await;
    let mut before = Vec::new();
    for (peer, running) in running(peers) {
        let tree = running.tree()?;
        figures.add("idle_kib", peer.name(), proc::resident_kib(&tree)? as f64);
        before.push(proc::wakeups(&tree)?);
    }
    sleep(plan.idle).await;
    for ((peer, running), before) in running(peers).zip(before) {
        let woken = proc::wakeups(&running.tree()?)?.saturating_sub(before) as f64;
        let in_10_s = woken * 10.0 / plan.idle.as_secs_f64();
        figures.add("idle_wakeups", peer.name(), in_10_s);
    }
    Ok(())
}

/// Memory of peers that were loaded before.
pub(crate) fn loaded(
    peers: &[(Peer, Option<Running>)],
    figures: &mut Figures,
) -> Result<(), Failure> {
    for (peer, running) in running(peers) {
        let kib = proc::resident_kib(&running.tree()?)?;
        figures.add("loaded_kib", peer.name(), kib as f64);
    }
    Ok(())
}

fn running(peers: &[(Peer, Option<Running>)]) -> impl Iterator<Item = (Peer, &Running)> {
    let running = peers.iter();
    running.filter_map(|(peer, running)| Some((*peer, running.as_ref()?)))
}

/// Memory with all those tunnels open, in each peer by itself.
pub(crate) async fn tunnels(
    plan: &Plan,
    setup: &Setup,
    upstream: u16,
    figures: &mut Figures,
) -> Result<(), Failure> {
    for peer in Peer::ALL.into_iter().filter(|peer| peer.upgrades()) {
        let Some(running) = setup.start(peer, upstream).await? else {
            continue;
        };
        eprintln!("{}: {} tunnels", peer.name(), plan.tunnels);
        sleep(plan.settle).await;
        let ill = |error| format!("{}: {error}", peer.name());
        // What the first one of a process brings into memory is not each one's.
        let _first = open(&running, 1).await.map_err(ill)?;
        sleep(plan.settle).await;
        let before = proc::resident_kib(&running.tree()?)?;
        let open = open(&running, plan.tunnels).await.map_err(ill)?;
        sleep(plan.open).await;
        let after = proc::resident_kib(&running.tree()?)?;
        let each = after.saturating_sub(before) as f64 / open.len() as f64;
        figures.add("tunnel_kib", peer.name(), each);
        figures.add("tunnels_kib", peer.name(), after as f64);
    }
    Ok(())
}

async fn open(running: &Running, tunnels: usize) -> Result<Vec<TcpStream>, Failure> {
    let mut open = Vec::with_capacity(tunnels);
    for number in 0..tunnels {
        open.push(websocket::open(running.addr, number / TUNNELS_A_PERSON).await?);
    }
    Ok(open)
}

/// From the start of the process to the first answer through it.
pub(crate) async fn starts(
    plan: &Plan,
    setup: &Setup,
    upstream: u16,
    figures: &mut Figures,
) -> Result<(), Failure> {
    for _ in 0..plan.starts {
        for peer in Peer::ALL {
            if let Some(running) = setup.start(peer, upstream).await? {
                figures.add("start_ms", peer.name(), running.start.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(())
}
