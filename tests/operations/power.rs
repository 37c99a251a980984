//! A t3 that is started by a command when its person comes, and stopped by another when nobody uses it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use t3_dispatcher::config::timing::Timing;
use t3_standin::port;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, read_head, read_until_closed, target_of};
use crate::common::{
    Dispatcher, Edition, HANDSHAKE, NOBODY, PAGE, PATIENCE, Scrape, World, cli_in, config, request,
};

/// Long enough that no agent's turn or use of t3 is missed, and short enough to wait for.
const SLEEP_AFTER: &str = "2s";

const FETCH: &str =
    "GET /api/projects\nAccept: */*\nSec-Fetch-Dest: empty\nSec-Fetch-Site: same-origin";

/// A dispatcher, and the folder of the commands that start and stop its t3, which is a process of its own.
struct House {
    dispatcher: Dispatcher,
    upstream: SocketAddr,
    dir: TempDir,
}

impl House {
    /// `wake` and `stop` are scripts; each run leaves a line in the ledger first.
    async fn with(
        wake: &str,
        stop: Option<&str>,
        args: &[&str],
        set: impl FnOnce(&mut Timing),
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let upstream = port::unused();
        let wake = command(dir.path(), upstream, "wake", wake);
        let mut options = vec!["--wake-command", &wake];
        let stop = stop.map(|stop| command(dir.path(), upstream, "sleep", stop));
        if let Some(stop) = &stop {
            options.extend(["--sleep-command", stop, "--sleep-after", SLEEP_AFTER]);
        }
        options.extend(args);
        let mut config = config(upstream, dir.path(), &options);
        set(&mut config.timing);
        let dispatcher = Dispatcher::start(config).await;
        let house = Self {
            dispatcher,
            upstream,
            dir,
        };
        house.until("upstream_state{state=\"down\"}", 1.0).await;
        house
    }

    async fn until(&self, series: &str, value: f64) {
        Scrape::until(self.dispatcher.metrics, |scrape| {
            scrape.get(series) == value
        })
        .await;
    }

    async fn ask(&self, head: &str) -> Response {
        request(self.dispatcher.addr, head).await
    }

    async fn page(&self, cookie: &str) -> Response {
        self.ask(&format!("GET /\n{PAGE}{cookie}")).await
    }

    /// What was run, in order.
    fn ledger(&self) -> String {
        ledger(self.dir.path())
    }

    async fn until_ledger(&self, expected: &str) {
        let start = Instant::now();
        while self.ledger() != expected {
            assert!(
                start.elapsed() < PATIENCE,
                "{} for {expected}",
                self.ledger()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let stop = Command::new("sh")
            .arg("-c")
            .arg(STOP)
            .current_dir(self.dir.path())
            .status();
        let _ = stop;
    }
}

/// Starts t3 as a process that outlives the command.
const START: &str = "setsid \"$T3\" serve --edition 0.0.42 --port \"$PORT\" --base-dir \"$PWD/t3\" </dev/null >/dev/null 2>&1 &\n\
    echo $! >pid";

/// Ends that process.
const STOP: &str = "pid=$(cat pid 2>/dev/null) && kill \"$pid\" &&\n\
    while grep -q ') [^Z]' \"/proc/$pid/stat\" 2>/dev/null; do sleep 0.02; done";

/// A command that runs `script` in `dir`, where the t3 CLI is `$T3` and t3's port is `$PORT`.
fn command(dir: &Path, upstream: SocketAddr, name: &str, script: &str) -> String {
    let (path, t3) = (dir.join(name), cli_in(dir));
    let (port, dir, t3) = (upstream.port(), dir.display(), t3.display());
    let script =
        format!("cd {dir} || exit 9\nT3={t3} PORT={port}\necho {name} >>ledger\n{script}\n");
    std::fs::write(&path, script).expect("writable");
    format!("sh {}", path.display())
}

fn ledger(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("ledger")).unwrap_or_default();
    text.lines().collect::<Vec<_>>().join(" ")
}

/// Whoever waits is told so soon.
fn impatient(timing: &mut Timing) {
    timing.page_patience = Duration::from_millis(300);
    timing.upgrade_patience = Duration::from_millis(300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_t3_is_started_for_its_person_and_stopped_when_nobody_uses_it() {
    let house = House::with(START, Some(STOP), &[], |_| {}).await;
    assert_eq!(house.ask("GET /readyz").await.text(), "up", "it serves");
    assert_eq!(house.ask(FETCH).await.status, 503);
    assert_eq!(house.ledger(), "", "no page and no upgrade");

    let paired = house.page("").await;
    assert_eq!(paired.status, 302, "it waited: {}", paired.text());
    let cookie = format!("\nCookie: {}", paired.cookie());
    assert_eq!(house.page(&cookie).await.status, 200);
    house.until_ledger("wake sleep").await;
    house.until("upstream_state{state=\"asleep\"}", 1.0).await;
    house
        .until(
            "power_commands_total{command=\"sleep\",outcome=\"ok\"}",
            1.0,
        )
        .await;

    // It is not watched, also where somebody asks who wakes nothing.
    let watched = TcpListener::bind(house.upstream)
        .await
        .expect("it has stopped");
    let fetched = house.ask(FETCH).await;
    assert_eq!(fetched.status, 503);
    assert!(fetched.text().contains("is asleep"), "{}", fetched.text());
    let asked = timeout(Duration::from_millis(700), watched.accept()).await;
    if let Ok(Ok((mut stream, _))) = asked {
        let asked = read_head(&mut stream).await;
        let asked = String::from_utf8_lossy(&asked);
        panic!("t3 is asked while it is asleep: {asked:?}");
    }
    port::end(&watched);
    drop(watched);

    let woken = house.page(&cookie).await;
    assert_eq!(
        woken.status,
        200,
        "in the session of before: {}",
        woken.text()
    );
    assert_eq!(house.ledger(), "wake sleep wake");
}

/// Passes what is no file on to `t3`, one request a connection; a file it holds until whoever asks for it gives up,
/// and then tells `given_up`.
async fn holding_files(t3: SocketAddr, given_up: Arc<Notify>) -> RawUpstream {
    RawUpstream::of_files(move |mut client, head, _| {
        let given_up = Arc::clone(&given_up);
        async move {
            if target_of(&head).starts_with("/assets/") {
                read_until_closed(&mut client).await;
                return given_up.notify_one();
            }
            let line = head.iter().position(|byte| *byte == b'\n').expect("a head") + 1;
            let (line, rest) = head.split_at(line);
            let head = [line, b"Connection: close\r\n", rest].concat();
            let mut t3 = TcpStream::connect(t3).await.expect("it listens");
            t3.write_all(&head).await.expect("it reads");
            let _ = copy_bidirectional(&mut client, &mut t3).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_ahead_is_given_up_once_it_is_asleep() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = StandinOptions::of(Edition::September, dir.path().join("t3"));
    let standin = Standin::start(options).await;
    let standin = standin.expect("a free port");
    let given_up = Arc::new(Notify::new());
    let t3 = holding_files(standin.addr(), Arc::clone(&given_up)).await;
    let options = ["--sleep-command", "true", "--sleep-after", SLEEP_AFTER];
    let options = [&["--wake-command", "true"], &options[..]].concat();
    let dispatcher = Dispatcher::start(config(t3.addr, dir.path(), &options)).await;
    let asleep = "upstream_state{state=\"asleep\"}";
    Scrape::until(dispatcher.metrics, |scrape| scrape.get(asleep) == 1.0).await;
    let ended = timeout(PATIENCE, given_up.notified()).await;
    ended.expect("the connection is closed");
    sleep(Duration::from_millis(300)).await;
    let heads = t3.targets();
    let files = heads.iter().filter(|target| target.starts_with("/assets/"));
    assert_eq!(files.count(), 1, "no other one is asked for: {heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_while_t3_is_stopped_has_it_started_again() {
    let stop = format!("while [ ! -e go ]; do sleep 0.02; done\n{STOP}");
    let house = House::with(START, Some(&stop), &[], |_| {}).await;
    let paired = house.page("").await;
    assert_eq!(paired.status, 302, "{}", paired.text());
    house.until_ledger("wake sleep").await;
    let cookie = format!("\nCookie: {}", paired.cookie());
    let page = house.page(&cookie);
    let go = async {
        sleep(Duration::from_millis(300)).await;
        std::fs::write(house.dir.path().join("go"), "").expect("writable");
    };
    let (page, ()) = tokio::join!(page, go);
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(house.ledger(), "wake sleep wake");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_page_or_an_upgrade_of_somebody_who_is_let_in_starts_it() {
    let args = [
        "--identity-header",
        "X-User",
        "--trusted-proxies",
        "127.0.0.0/8",
        "--allowed-users",
        "alice",
    ];
    let house = House::with("", None, &args, impatient).await;
    let prefetch = format!("GET /\n{PAGE}\nSec-Purpose: prefetch\nX-User: alice");
    for (head, status) in [
        ("GET /healthz".to_owned(), 200),
        ("GET /readyz".to_owned(), 200),
        (format!("GET /probe/ws\n{HANDSHAKE}"), 101),
        (format!("GET /\n{PAGE}"), 403),
        (format!("GET /\n{PAGE}\nX-User: mallory"), 403),
        (format!("GET /ws\n{HANDSHAKE}\nX-User: mallory"), 403),
        (format!("GET /ws?wsTicket=x\n{HANDSHAKE}"), 503),
        (format!("{FETCH}\nX-User: alice"), 503),
        (
            "GET /api/auth/session\nAccept: */*\nX-User: alice".to_owned(),
            503,
        ),
        (prefetch, 503),
    ] {
        assert_eq!(house.ask(&head).await.status, status, "{head}");
        assert_eq!(house.ledger(), "", "{head}");
    }
    let waiting = house.ask(&format!("GET /\n{PAGE}\nX-User: alice")).await;
    assert!(
        waiting.text().contains("<h1>Your cockpit is starting</h1>"),
        "{}",
        waiting.text()
    );
    house.until_ledger("wake").await;
    let refused = house
        .ask(&format!("GET /ws\n{HANDSHAKE}\nX-User: alice"))
        .await;
    assert_eq!(refused.status, 503);
    let message = refused.json()["message"].take();
    assert!(
        message
            .as_str()
            .is_some_and(|text| text.contains("your cockpit is starting")),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_pages_at_once_run_the_command_once_and_an_upgrade_starts_t3_too() {
    let house = House::with("sleep 0.2", None, &[], impatient).await;
    let pages = (0..10).map(|_| house.page(""));
    for page in futures_util::future::join_all(pages).await {
        assert!(
            page.text().contains("Your cockpit is starting"),
            "{}",
            page.text()
        );
    }
    house
        .until("power_commands_total{command=\"wake\",outcome=\"ok\"}", 1.0)
        .await;
    house.page("").await;
    assert_eq!(house.ledger(), "wake", "it has just been started");

    let house = House::with(START, None, &[], |_| {}).await;
    let upgrade = house.ask(&format!("GET /ws\n{HANDSHAKE}")).await;
    assert_eq!(upgrade.status, 401, "t3's: {}", upgrade.text());
    assert_eq!(house.ledger(), "wake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_run_again_later_and_one_that_hangs_is_ended() {
    let pause = Duration::from_millis(1500);
    let house = House::with("echo no such unit >&2; exit 4", None, &[], |timing| {
        impatient(timing);
        timing.wake_retry = pause;
    });
    let house = house.await;
    let failed = "power_commands_total{command=\"wake\",outcome=\"failed\"}";
    house.page("").await;
    house.until(failed, 1.0).await;
    let ended = Instant::now();
    loop {
        let waiting = house.page("").await;
        if waiting.text().contains("T3 Code is not running") {
            break;
        }
        assert!(ended.elapsed() < PATIENCE, "{}", waiting.text());
    }
    while house.ledger() == "wake" {
        assert!(ended.elapsed() < PATIENCE);
        house.page("").await;
    }
    assert!(
        ended.elapsed() > pause - Duration::from_millis(300),
        "{:?}",
        ended.elapsed()
    );

    let house = House::with("sleep 60 & echo $! >child; wait", None, &[], |timing| {
        impatient(timing);
        timing.power_command = Duration::from_millis(500);
    });
    let house = house.await;
    house.page("").await;
    house
        .until(
            "power_commands_total{command=\"wake\",outcome=\"timeout\"}",
            1.0,
        )
        .await;
    let child = std::fs::read_to_string(house.dir.path().join("child")).expect("it ran");
    let stat = Path::new("/proc").join(child.trim()).join("stat");
    let start = Instant::now();
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(start.elapsed() < PATIENCE, "what it started runs on");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A t3 of the test's own, whose stop is only noted.
async fn world(dir: &Path) -> World {
    let stop = command(dir, NOBODY, "sleep", "");
    let options = ["--sleep-command", &stop, "--sleep-after", SLEEP_AFTER];
    let options = [&["--wake-command", "true"], &options[..]].concat();
    World::of(Edition::September, &options).await
}

/// How often t3 was asked what its agents do.
fn asked(world: &World) -> usize {
    let requests = world.standin.requests();
    let shell = |target: &[u8]| target.starts_with(b"/api/orchestration/shell");
    requests.iter().filter(|seen| shell(&seen.target)).count()
}

async fn until_asked(world: &World, times: usize) {
    let start = Instant::now();
    while asked(world) < times {
        assert!(start.elapsed() < PATIENCE, "asked {} times", asked(world));
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_under_way_and_a_tunnel_keep_it_awake() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = world(dir.path()).await;
    let threads = r#"[{"session":{"status":"running"},"hasPendingApprovals":false,
        "hasPendingUserInput":false,"hasActionableProposedPlan":false}]"#;
    world
        .standin
        .set_faults(|faults| faults.shell_threads = threads.to_owned());
    until_asked(&world, 3).await;
    assert_eq!(ledger(dir.path()), "", "its agent is at work");

    let session = world
        .standin
        .issue_browser_session("test")
        .expect("a session");
    let head = format!(
        "GET /ws\n{HANDSHAKE}\nCookie: {}={session}",
        world.cookie_name().await
    );
    let mut tunnel = crate::common::Client::connect(world.addr()).await;
    tunnel.send_head(&head).await;
    assert_eq!(tunnel.head().await.expect("a response").status, 101);
    world
        .standin
        .set_faults(|faults| faults.shell_threads = "[]".to_owned());
    let before = asked(&world);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(asked(&world), before, "a tunnel is open");
    assert_eq!(ledger(dir.path()), "");

    drop(tunnel);
    let start = Instant::now();
    while ledger(dir.path()).is_empty() {
        assert!(start.elapsed() < PATIENCE, "nobody uses it any more");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        start.elapsed() > Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    let asleep = "upstream_state{state=\"asleep\"}";
    Scrape::until(world.dispatcher.metrics, |scrape| scrape.get(asleep) == 1.0).await;
    // The command has not stopped it: a page finds it as it is.
    let page = request(world.addr(), &format!("GET /\n{PAGE}")).await;
    assert_eq!(page.status, 302);
    assert!(TcpStream::connect(world.standin.addr()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_turns_cannot_be_known_it_is_never_stopped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let world = world(dir.path()).await;
    world
        .standin
        .set_faults(|faults| faults.shell_body = Some("{}".to_owned()));
    until_asked(&world, 1).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(ledger(dir.path()), "");
    assert_eq!(world.metrics().await.sum("power_commands_total"), 0.0);
}
