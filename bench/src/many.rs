//! Many people, each with a t3 of his own: what they take, what a table costs, and what finding one adds to a hop.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::figures::{Figures, percentile};
use crate::load::{Clients, Load, http, websocket};
use crate::machine::{self, Cores};
use crate::peers::Peer;
use crate::roles::{Failure, address_of};
use crate::running::Running;
use crate::setup::Setup;
use crate::{hop, neighbours, proc};

/// How many and how long.
struct Plan {
    people: usize,
    tunnels_a_person: usize,
    /// Rows of the table that is read again.
    rows: usize,
    reloads: usize,
    rounds: usize,
    warm: Duration,
    measured: Duration,
    /// With all tunnels open: longer than the look at their sessions takes.
    open: Duration,
    idle: Duration,
}

impl Plan {
    fn new(is_smoke: bool) -> Self {
        let ms = Duration::from_millis;
        match is_smoke {
            true => Self {
                people: 40,
                tunnels_a_person: 2,
                rows: 1000,
                reloads: 1,
                rounds: 1,
                warm: ms(100),
                measured: ms(300),
                open: ms(200),
                idle: ms(500),
            },
            false => Self {
                people: 1000,
                tunnels_a_person: 10,
                rows: 10_000,
                reloads: 5,
                rounds: 5,
                warm: ms(300),
                measured: ms(1200),
                open: ms(17_000),
                idle: ms(10_000),
            },
        }
    }
}

const OWN: Peer = Peer::Dispatcher;

/// The name of the same without a table.
pub(crate) const ONE: &str = "one t3, no table";

/// The names of the hop's rows. nginx leads to one t3 too.
pub(crate) const HOP_NAMES: [&str; 3] = [ONE, "nginx", "t3-dispatcher"];

/// Writes the figures to `file`.
pub(crate) async fn run(file: &Path, is_smoke: bool) -> Result<(), Failure> {
    let plan = Plan::new(is_smoke);
    let setup = Setup::from_environment(Some(Cores::take()?))?;
    let upstreams = setup.upstreams(plan.people).await?;
    let port = upstreams.addr.port();
    let mut figures = Figures::default();
    if let Some(load) = machine::load() {
        figures.add(hop::OTHERS, hop::OTHERS, load);
    }
    let path = setup.dir().join("routes.json");
    write(&path, &table(plan.people, plan.people, port))?;
    hops(&plan, &setup, &path, upstreams.addr, &mut figures).await?;
    figures.save(file)?;
    let beside = neighbours::Plan {
        rounds: plan.rounds,
        measured: 2 * plan.measured,
    };
    let others = setup.dir().join("neighbours.json");
    neighbours::run(&beside, &setup, &others, upstreams.addr, &mut figures).await?;
    figures.save(file)?;
    let running = setup.many(&path).await?;
    people(&plan, &running, &mut figures).await?;
    figures.save(file)?;
    write(&path, &table(plan.rows, plan.people, port))?;
    reloads(&plan, &path, port, &running, &mut figures).await?;
    figures.save(file)
}

/// So many rows, of which the first lead to t3s, and the others to a port of their own where none is.
fn table(rows: usize, people: usize, port: u16) -> Value {
    let row = |number: usize| {
        let host = address_of(number).to_string();
        let port = if number < people { port } else { 1 };
        let row = json!({ "host": host, "port": port, "mint": [] });
        (format!("person-{number}@example.org"), row)
    };
    Value::Object((0..rows).map(row).collect::<Map<_, _>>())
}

/// Whole or not at all.
fn write(path: &Path, table: &Value) -> Result<(), Failure> {
    let new = path.with_extension("new");
    fs::write(&new, table.to_string())?;
    Ok(fs::rename(&new, path)?)
}

/// A hop with a table and without one, one after the other in each round: for one person, and for 32 with a t3 each.
async fn hops(
    plan: &Plan,
    setup: &Setup,
    path: &Path,
    upstream: SocketAddr,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let routed = setup.many(path).await?;
    let single = setup.start(OWN, upstream.port()).await?;
    let single = single.ok_or("the dispatcher is not started")?;
    let nginx = setup.start(Peer::Nginx, upstream.port()).await?;
    let nginx = nginx.ok_or("nginx is not started")?;
    let mut all = [
        (OWN.name(), routed),
        (ONE, single),
        (Peer::Nginx.name(), nginx),
    ];
    for round in 0..plan.rounds {
        eprintln!("hop: round {} of {}", round + 1, plan.rounds);
        for (name, running) in &all {
            let tree = running.tree()?;
            for (clients, key) in [(Clients::Many, "get"), (Clients::People, "people_get")] {
                // One t3 is one person's.
                if clients == Clients::People && *name == ONE {
                    continue;
                }
                let load = Load::Kibibyte(clients);
                let window = load
                    .measure(running.addr, &tree, plan.warm, plan.measured)
                    .await?;
                let each_us = window.each_us();
                figures.add(&format!("routes_{key}_cpu_us"), name, each_us);
                figures.add(
                    &format!("routes_{key}_per_second"),
                    name,
                    window.per_second(),
                );
            }
        }
        all.rotate_left(1);
    }
    Ok(())
}

/// Memory and wake-ups with everybody's t3, and with all tunnels.
async fn people(plan: &Plan, running: &Running, figures: &mut Figures) -> Result<(), Failure> {
    let resident = || -> Result<f64, Failure> { Ok(proc::resident_kib(&running.tree()?)? as f64) };
    figures.add("many_start_kib", OWN.name(), resident()?);
    eprintln!("{} people", plan.people);
    let asked = stream::iter(0..plan.people).map(|person| http::is_served_to(running.addr, person));
    let are_served = asked
        .buffer_unordered(32)
        .all(|is_served| async move { is_served });
    if !are_served.await {
        return Err("somebody is not served".into());
    }
    let before = proc::wakeups(&running.tree()?)?;
    sleep(plan.idle).await;
    let woken = proc::wakeups(&running.tree()?)?.saturating_sub(before) as f64;
    figures.add(
        "many_wakeups",
        OWN.name(),
        woken * 10.0 / plan.idle.as_secs_f64(),
    );
    let with_people = resident()?;
    figures.add("many_people_kib", OWN.name(), with_people);
    let tunnels = (plan.people * plan.tunnels_a_person).min(most_tunnels());
    eprintln!("{tunnels} tunnels");
    let mut open: Vec<TcpStream> = Vec::with_capacity(tunnels);
    for number in 0..tunnels {
        open.push(websocket::open(running.addr, number % plan.people).await?);
    }
    sleep(plan.open).await;
    figures.add("many_tunnels_kib", OWN.name(), resident()?);
    let each = (resident()? - with_people) / tunnels as f64;
    figures.add("many_tunnel_kib", OWN.name(), each);
    drop(open);
    Ok(())
}

/// As many as the limit of open files allows, of which each takes two and the people's t3s one each.
fn most_tunnels() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / 2).map_or(usize::MAX, |half| half.saturating_sub(1000))
}

/// A large table is read again, while somebody whom it leaves alone asks on.
async fn reloads(
    plan: &Plan,
    path: &Path,
    port: u16,
    running: &Running,
    figures: &mut Figures,
) -> Result<(), Failure> {
    for number in 0..plan.reloads {
        eprintln!("reload {} of {}", number + 1, plan.reloads);
        // The second person is there in every other table.
        let mut people = table(plan.rows, plan.people, port);
        let gone = "person-1@example.org";
        let is_gone = number % 2 == 0;
        if let (true, Some(rows)) = (is_gone, people.as_object_mut()) {
            rows.remove(gone);
        }
        write(path, &people)?;
        let mut took = Vec::new();
        let start = Instant::now();
        // The asker sees the change by the second person's own request.
        while http::is_served_to(running.addr, 1).await == is_gone {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("the table was not read again".into());
            }
            let asked = Instant::now();
            if !http::is_served_to(running.addr, 0).await {
                return Err("who is unchanged was not served".into());
            }
            took.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        let slowest = percentile(&took, 1.0).unwrap_or_default();
        figures.add("reload_slowest_ms", OWN.name(), slowest);
        figures.add(
            "reload_median_ms",
            OWN.name(),
            percentile(&took, 0.5).unwrap_or_default(),
        );
    }
    Ok(())
}
