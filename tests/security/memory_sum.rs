//! What clients can make the dispatcher and the kernel hold for them, in sum: row 62.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use t3_standin::server::Standin;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::common::process::{Process, is_release, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, request};

/// The most that an attack may add: resident, and in the sockets. The figure is that of the release build; the
/// tasks of a debug build are larger.
fn most_added_kib() -> u64 {
    1024 * if is_release() { 32 } else { 36 }
}

/// The most that there may be in all.
const MOST_KIB: u64 = 96 * 1024;

/// The files of a full store, of 2 MiB each.
const FILES: usize = 16;

/// Both ways through.
const WAYS: [&str; 2] = ["on", "off"];

/// How long others may wait. The figure is that of the release build; the other bound only tells a wait in
/// a queue from a busy machine.
fn most_wait() -> Duration {
    Duration::from_millis(if is_release() { 100 } else { 5000 })
}

/// A dispatcher with a full store, in front of a stand-in.
struct Attacked {
    process: Process,
    standin: Standin,
    _dir: TempDir,
    start_kib: u64,
    most_kib: u64,
    slowest: Duration,
}

impl Attacked {
    /// With the defaults, but for the way through.
    async fn start(way: &str) -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("up to the maximum");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (standin, mut command) = standin_and_command(dir.path()).await;
        command.env("DISPATCHER_FAST_PATH", way);
        let process = Process::start(&mut command);
        for number in 0..FILES {
            let file = format!("GET /assets/filler-{number:08}.woff2");
            assert_eq!(request(process.addr, &file).await.status, 200);
        }
        let mut attacked = Self {
            process,
            standin,
            _dir: dir,
            start_kib: 0,
            most_kib: 0,
            slowest: Duration::ZERO,
        };
        attacked.start_kib = attacked.kib();
        assert!(attacked.start_kib > 32 * 1024, "the store is full");
        attacked
    }

    fn addr(&self) -> SocketAddr {
        self.process.addr
    }

    /// Resident memory, and the kernel's for the dispatcher's sockets, in KiB.
    fn kib(&self) -> u64 {
        self.process.resident() + sockets_kib(self.addr().port(), self.standin.addr().port())
    }

    /// Notes what there is at the moment, and how long others wait.
    async fn look(&mut self) {
        self.most_kib = self.most_kib.max(self.kib());
        for ask in ["GET /healthz", "GET /standin/1k"] {
            let start = Instant::now();
            assert_eq!(request(self.addr(), ask).await.status, 200, "{ask}");
            self.slowest = self.slowest.max(start.elapsed());
        }
    }

    /// Looks for a while, and asserts what was seen.
    async fn assert_bounded(mut self, of: &str) {
        for _ in 0..10 {
            self.look().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let added = self.most_kib.saturating_sub(self.start_kib);
        let (most, slowest) = (self.most_kib, self.slowest);
        println!("{of}: {added} KiB more, {most} in all, others within {slowest:?}");
        assert!(added < most_added_kib(), "{of}: {added} KiB more");
        assert!(most < MOST_KIB, "{of}: {most} KiB");
        assert!(slowest < most_wait(), "{of}: others within {slowest:?}");
    }
}

/// The kernel's memory for the sockets that were accepted at `own`, and for those that lead to `t3`, in KiB.
fn sockets_kib(own: u16, t3: u16) -> u64 {
    let filter = format!("( sport = :{own} or dport = :{t3} )");
    let listed = Command::new("ss").args(["-Htnam", &filter]).output();
    let listed = String::from_utf8(listed.expect("ss of iproute2").stdout).expect("text");
    let sockets = listed.split("skmem:(").skip(1);
    let fields = sockets.flat_map(|socket| socket.split([',', ')']).take(9));
    // Received, to be sent, set aside, of options, in the backlog.
    let counted = fields.filter_map(|field| {
        let mut names = ["r", "w", "f", "o", "bl"].iter();
        names.find_map(|name| field.strip_prefix(name)?.parse::<u64>().ok())
    });
    counted.sum::<u64>() / 1024
}

/// How many of `clients` have got a 503 by now, and no other response.
fn refused(clients: &[Client]) -> usize {
    let is_refused = |client: &&Client| {
        let mut head = [0; 12];
        matches!(client.stream.try_read(&mut head), Ok(12)) && head.ends_with(b" 503")
    };
    clients.iter().filter(is_refused).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_62_unfinished_heads() {
    for way in WAYS {
        let mut attacked = Attacked::start(way).await;
        let head = format!(
            "GET / HTTP/1.1\r\nHost: t3.localhost\r\nX-A: {}",
            "x".repeat(124_000)
        );
        let mut held = Vec::new();
        for number in 0..2000 {
            let mut client = Client::connect(attacked.addr()).await;
            // One that is refused may be closed before all is sent.
            let _ = client.stream.write_all(head.as_bytes()).await;
            held.push(client);
            if number % 20 == 0 {
                attacked.look().await;
            }
        }
        attacked.assert_bounded("2,000 unfinished heads").await;
        let refused = refused(&held);
        assert!((1000..1950).contains(&refused), "{refused} were refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_62_page_loads_with_a_long_user_agent() {
    let mut attacked = Attacked::start("on").await;
    let addr = attacked.addr();
    let long = "x".repeat(100_000);
    let mut loads = JoinSet::new();
    for number in 0..4200 {
        let page =
            format!("GET /\n{PAGE}").replace("Mozilla/5.0 (test)", &format!("{number}{long}"));
        loads.spawn(async move { request(addr, &page).await.status });
        if loads.len() >= 32 {
            // A head of more than 16 KiB is too long for t3 (contract §7).
            let status = loads.join_next().await.expect("a load").expect("no panic");
            assert!(matches!(status, 200 | 302 | 431), "{status}");
        }
        if number % 100 == 0 {
            attacked.look().await;
        }
    }
    attacked.assert_bounded("4,200 page loads").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_62_readers_of_nothing() {
    for way in WAYS {
        let mut attacked = Attacked::start(way).await;
        let mut held = Vec::new();
        for number in 0..200 {
            let mut client = Client::connect(attacked.addr()).await;
            client.send_head("GET /standin/bytes/8000000").await;
            held.push(client);
            if number % 20 == 0 {
                attacked.look().await;
            }
        }
        attacked.assert_bounded("200 readers of nothing").await;
    }
}

/// The same from the store, and through tunnels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_62_readers_of_nothing_from_elsewhere() {
    for way in WAYS {
        let attacked = Attacked::start(way).await;
        read_nothing_from_elsewhere(attacked).await;
    }
}

async fn read_nothing_from_elsewhere(mut attacked: Attacked) {
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut client = Client::connect(attacked.addr()).await;
        client.send_head("GET /assets/filler-00000001.woff2").await;
        held.push(client);
    }
    attacked.look().await;
    for _ in 0..200 {
        let mut client = Client::connect(attacked.addr()).await;
        client
            .send_head(&format!("GET /standin/ws-raw\n{HANDSHAKE}"))
            .await;
        if client.head().await.is_some_and(|head| head.status == 101) {
            // t3 sends it back.
            let sending = client.stream.write_all(&[0; 4 << 20]);
            let _ = tokio::time::timeout(Duration::from_millis(50), sending).await;
        }
        held.push(client);
    }
    attacked
        .assert_bounded("readers of nothing of the store and of tunnels")
        .await;
}
