//! Two dispatchers in front of one beside its t3, behind one Traefik: one of them is killed under load.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use t3_standin::port;
use t3_standin::server::Standin;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::common::process::{self, Process, standin_and_command};
use crate::common::socket_table::{Socket, sockets};
use crate::common::{PATIENCE, request};
use crate::programs::{Program, named_by};

const CLIENTS: usize = 16;

/// The load before one of the two is killed, and after it.
const PART: Duration = Duration::from_secs(2);

/// The field that names the person.
const USER: &str = "X-User";

/// Traefik with both in one service, which tries another one where the first takes nothing, and leaves that one
/// out for a while: without that each of three tries may meet the dead one.
fn balancing(plain: SocketAddr, fronts: &[SocketAddr]) -> [(&'static str, Value); 2] {
    let servers: Vec<_> = fronts
        .iter()
        .map(|front| json!({ "url": format!("http://{front}") }))
        .collect();
    let routes = json!({ "http": {
        "routers": { "all": {
            "rule": "PathPrefix(`/`)", "service": "fronts", "middlewares": ["retry"], "entryPoints": ["plain"],
        } },
        "services": { "fronts": { "loadBalancer": {
            "servers": servers, "passiveHealthCheck": { "failureWindow": "5s", "maxFailedAttempts": 1 },
        } } },
        "middlewares": { "retry": { "retry": { "attempts": 3, "initialInterval": "100ms" } } },
    } });
    let configuration = json!({
        "entryPoints": { "plain": { "address": plain.to_string() } },
        "providers": { "file": { "filename": "routes.yaml" } },
        "log": { "level": "ERROR" },
        "global": { "checkNewVersion": false, "sendAnonymousUsage": false },
    });
    [("routes.yaml", routes), ("traefik.yaml", configuration)]
}

fn traefik(program: &Path, dir: &Path, fronts: &[SocketAddr]) -> (Program, SocketAddr) {
    let plain = port::unused();
    for (name, value) in balancing(plain, fronts) {
        std::fs::write(dir.join(name), value.to_string()).expect("a writable directory");
    }
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .args(["--configfile", "traefik.yaml"]);
    (Program::start(&mut command, plain), plain)
}

/// A dispatcher in front of the one at `inner`, for Ada.
fn front(dir: &Path, inner: SocketAddr) -> Process {
    let row = json!({ "ada": { "port": inner.port(), "via": "dispatcher" } });
    std::fs::write(dir.join("people"), row.to_string()).expect("a writable directory");
    let mut command = process::command();
    command
        .env("DISPATCHER_IDENTITY_HEADER", USER)
        .env("DISPATCHER_ROUTES", dir.join("people"))
        .env("DISPATCHER_UPSTREAM_SECRET_FILE", dir.join("between"));
    Process::start(&mut command)
}

/// Asks again and again, each time on a new connection: when, and the status of the response.
async fn ask_until(to: SocketAddr, is_over: Arc<AtomicBool>) -> Vec<(Instant, u16)> {
    let head = format!("GET /standin/1k\n{USER}: ada");
    let mut answers = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let at = Instant::now();
        answers.push((at, request(to, &head).await.status));
    }
    answers
}

/// Waits until nobody on this machine has a connection to `port`, not even one that its other side has ended.
async fn until_unconnected(port: u16) {
    let is_one = |socket: &Socket| socket.remote == port && matches!(&*socket.state, "01" | "08");
    let start = Instant::now();
    while sockets().iter().any(is_one) {
        assert!(start.elapsed() < PATIENCE, "somebody is connected");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Traefik: .ci/edge"]
async fn one_of_two_that_is_killed_fails_nothing_but_what_is_in_flight_on_it() {
    let Some(program) = named_by("EDGE_TRAEFIK") else {
        return;
    };
    let dir = TempDir::new().expect("a temporary directory");
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(dir.path().join("between"), secret).expect("a writable directory");
    let (_standin, mut inner): (Standin, Command) = standin_and_command(dir.path()).await;
    inner
        .env("DISPATCHER_IDENTITY_HEADER", USER)
        .env("DISPATCHER_SECRET_FILE", dir.path().join("between"));
    let inner = Process::start(&mut inner);
    let mut fronts = [front(dir.path(), inner.addr), front(dir.path(), inner.addr)];
    let (_traefik, to) = traefik(
        &program,
        dir.path(),
        &fronts.each_ref().map(|front| front.addr),
    );
    let head = format!("GET /standin/1k\n{USER}: ada");
    let served = async {
        while request(to, &head).await.status != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, served).await.expect("both tiers serve");
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(ask_until(to, Arc::clone(&is_over))))
        .collect();
    sleep(PART).await;
    fronts[0].signal(Signal::KILL);
    fronts[0].child.wait().expect("a child");
    // A request that Traefik has sent it is in flight, and so is one on a connection whose end it has yet to read.
    let gone = fronts[0].addr.port();
    timeout(PATIENCE, until_unconnected(gone))
        .await
        .expect("its end is noticed");
    let killed = Instant::now();
    sleep(PART).await;
    is_over.store(true, Ordering::Relaxed);
    let mut counts = BTreeMap::<u16, usize>::new();
    let mut after = 0;
    for client in clients {
        let answers = client.await.expect("no panic");
        let failed: Vec<_> = answers
            .iter()
            .filter(|(_, status)| *status != 200)
            .collect();
        assert!(failed.len() <= 1, "one in flight at most: {failed:?}");
        for (at, status) in &failed {
            assert!(*at <= killed, "{status} {:?} after the kill", *at - killed);
        }
        for (at, status) in answers {
            *counts.entry(status).or_default() += 1;
            after += usize::from(at > killed);
        }
    }
    println!("one of two killed: {counts:?}, {after} of them asked after it");
    assert!(after > CLIENTS, "{after}");
}
