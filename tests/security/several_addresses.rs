//! Row 61: a name of t3 that has several addresses, some of them dead.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use t3_standin::server::{Options as StandinOptions, Standin};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::common::process::{Process, binary, command};
use crate::common::{Dispatcher, HANDSHAKE, PAGE, PATIENCE, Scrape, request, skip};

/// The name that t3 has in these tests.
const NAME: &str = "t3.test";

/// A name whose first address is dead costs this much more, on a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// A listener that takes no more connections, and what fills its backlog.
struct Deaf {
    addr: SocketAddr,
    _listener: TcpListener,
    _held: Vec<TcpStream>,
}

/// One at `addr`; none if the machine has no such address.
async fn deaf(addr: SocketAddr) -> Option<Deaf> {
    let socket = match addr.is_ipv6() {
        true => TcpSocket::new_v6(),
        false => TcpSocket::new_v4(),
    };
    let socket = socket.expect("a socket");
    socket.bind(addr).ok()?;
    let listener = socket.listen(1).expect("a listener");
    let addr = listener.local_addr().expect("bound");
    let mut held = Vec::new();
    let full = Duration::from_millis(200);
    while let Ok(taken) = timeout(full, TcpStream::connect(addr)).await {
        held.push(taken.expect("a connection"));
    }
    Some(Deaf {
        addr,
        _listener: listener,
        _held: held,
    })
}

async fn standin_at(addr: SocketAddr, dir: &Path) -> Standin {
    let mut options = StandinOptions::new(dir.join("t3"));
    options.listen = addr;
    Standin::start(options).await.expect("a free port")
}

/// Gives `NAME` these addresses, as the resolver reads them from now on.
fn name(hosts: &Path, addresses: &[IpAddr]) {
    let lines = addresses
        .iter()
        .map(|address| format!("{address} {NAME}\n"));
    std::fs::write(hosts, lines.collect::<String>()).expect("a writable directory");
}

/// A dispatcher in front of `NAME` at `port`, with `hosts` for its own /etc/hosts; none where a user may
/// make no namespace of mounts.
fn in_front_of_name(hosts: &Path, port: u16, fast_path: &str) -> Option<Process> {
    for user in [&[][..], &["--map-root-user"]] {
        let prepare = "mount --bind \"$0\" /etc/hosts";
        let mut probe = Command::new("unshare");
        probe.args(user).args(["--mount", "sh", "-c", prepare]);
        let allowed = probe.arg(hosts).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let mut unshare = Command::new("unshare");
        unshare.args(user).args(["--mount", "sh", "-c"]);
        let prepare = format!("{prepare} && exec \"$1\"");
        unshare.arg(prepare).arg(hosts).arg(binary());
        for (variable, value) in command().get_envs() {
            unshare.env(variable, value.unwrap_or_default());
        }
        unshare
            .env("T3_UPSTREAM_HOST", NAME)
            .env("T3_UPSTREAM_PORT", port.to_string())
            .env("T3_BIN", "/nonexistent/t3")
            .env("DISPATCHER_FAST_PATH", fast_path);
        return Some(Process::start(&mut unshare));
    }
    skip("no permission for a mount namespace");
    None
}

/// Asserts that a fetch, a page and an upgrade are responded to, each within [`SOON`].
async fn assert_served(to: SocketAddr, of: &str) {
    let page = format!("GET /\n{PAGE}\nCookie: t3_session=x");
    let upgrade = format!("GET /ws\n{HANDSHAKE}");
    for (head, status) in [("GET /standin/1k", 200), (&page, 200), (&upgrade, 401)] {
        let start = Instant::now();
        let response = request(to, head).await;
        assert_eq!(response.status, status, "{of}: {}", response.text());
        assert!(start.elapsed() < SOON, "{of}: {:?}", start.elapsed());
    }
}

async fn until_up(to: SocketAddr) {
    let start = Instant::now();
    while request(to, "GET /readyz").await.status != 200 {
        assert!(start.elapsed() < PATIENCE, "it is not up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_61_a_live_address_is_used_whatever_dead_ones_its_name_has() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let standin = standin_at(any, dir.path()).await;
    let (live, port) = (standin.addr().ip(), standin.addr().port());
    let silent_v4 = deaf(SocketAddr::from(([127, 0, 0, 2], port))).await;
    let silent_v6 = deaf(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))).await;
    let silent: Vec<_> = [silent_v6.as_ref(), silent_v4.as_ref()]
        .into_iter()
        .flatten()
        .map(|deaf| deaf.addr.ip())
        .collect();
    let refusing = IpAddr::from([127, 0, 0, 3]);
    let hosts = dir.path().join("hosts");
    for fast_path in ["on", "off"] {
        for dead in silent.iter().chain([&refusing]) {
            name(&hosts, &[*dead, live]);
            let Some(process) = in_front_of_name(&hosts, port, fast_path) else {
                return;
            };
            let start = Instant::now();
            until_up(process.addr).await;
            assert!(start.elapsed() < SOON, "{dead}: {:?}", start.elapsed());
            assert_served(process.addr, &format!("{dead}, fast path {fast_path}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_61_a_name_that_has_moved_is_followed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    for fast_path in ["on", "off"] {
        let standin = standin_at(any, dir.path()).await;
        let (first, port) = (standin.addr().ip(), standin.addr().port());
        let second = IpAddr::from([127, 0, 0, 4]);
        let hosts = dir.path().join("hosts");
        name(&hosts, &[first]);
        let Some(process) = in_front_of_name(&hosts, port, fast_path) else {
            return;
        };
        until_up(process.addr).await;
        assert_served(process.addr, "before it moves").await;
        standin.kill();
        let _moved = standin_at(SocketAddr::new(second, port), dir.path()).await;
        name(&hosts, &[second]);
        let page = request(
            process.addr,
            &format!("GET /\n{PAGE}\nCookie: t3_session=x"),
        )
        .await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert_served(process.addr, "after it has moved").await;
    }
}

/// What takes no connection is down: nothing of a t3 that starts was seen.
#[tokio::test]
async fn row_61_a_dead_address_is_never_called_starting() {
    let dead = deaf(SocketAddr::from(([127, 0, 0, 5], 0))).await;
    let dead = dead.expect("an address of this machine");
    let dispatcher = Dispatcher::in_front_of(dead.addr, &[]).await;
    let is_down = |scrape: &Scrape| scrape.get("upstream_state{state=\"down\"}") == 1.0;
    Scrape::until(dispatcher.metrics, is_down).await;
    // Further probes end meanwhile.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ready = request(dispatcher.addr, "GET /readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "down"));
    let metrics = Scrape::of(dispatcher.metrics).await;
    let starting = "upstream_state_changes_total{state=\"starting\"}";
    assert_eq!(metrics.get(starting), 0.0);
}
