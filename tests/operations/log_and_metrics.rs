//! The log and the metrics of one run agree with each other and with what was done.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::Value;
use t3_standin::port;
use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, PATIENCE, Scrape, request};

/// A close frame with code 1000, masked with zeros.
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// The dispatcher's binary in front of a stand-in that is restarted.
struct Scenario {
    process: Process,
    metrics: SocketAddr,
    standin: Option<Standin>,
    upstream: SocketAddr,
    dir: tempfile::TempDir,
    /// How often each event was caused, by its name in the log.
    expected: BTreeMap<&'static str, usize>,
}

impl Scenario {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (standin, mut command) = standin_and_command(dir.path()).await;
        let metrics = port::unused();
        command
            .env("DISPATCHER_IDENTITY_HEADER", "X-User")
            .env("DISPATCHER_METRICS_PORT", metrics.port().to_string())
            .env("LOG_FORMAT", "json");
        let scenario = Self {
            process: Process::start(&mut command),
            metrics,
            upstream: standin.addr(),
            standin: Some(standin),
            dir,
            expected: BTreeMap::new(),
        };
        scenario.until_up().await;
        scenario
    }

    fn expect_one(&mut self, what: &'static str) {
        *self.expected.entry(what).or_default() += 1;
    }

    fn standin(&self) -> &Standin {
        self.standin.as_ref().expect("t3 is there")
    }

    /// Waits until t3 is up and the dispatcher has its admin session.
    async fn until_up(&self) {
        let issued = "cli_runs_total{command=\"session_issue\",outcome=\"ok\"}";
        let is_up = "upstream_state{state=\"up\"}";
        Scrape::until(self.metrics, |scrape| {
            scrape.get(is_up) == 1.0 && scrape.get(issued) >= 1.0
        })
        .await;
    }

    /// A page load by a new user, with a request id made from the user's name.
    async fn visit(&self, user: &str) -> crate::common::http::Response {
        let head = format!("GET /\n{PAGE}\nX-User: {user}\nX-Request-Id: {user}-1");
        request(self.process.addr, &head).await
    }

    async fn pair_by_api(&mut self, user: &str) -> String {
        let response = self.visit(user).await;
        assert_eq!(response.status, 302);
        self.expect_one("api");
        response.cookie()
    }

    async fn pair_by_cli(&mut self, user: &str) {
        self.standin()
            .set_faults(|faults| faults.pairing_token_status = Some(503));
        assert_eq!(self.visit(user).await.status, 302);
        self.standin()
            .set_faults(|faults| faults.pairing_token_status = None);
        self.expect_one("cli");
    }

    async fn fail_to_pair(&mut self, user: &str) {
        self.standin()
            .set_faults(|faults| faults.refuse_exchange = true);
        assert_eq!(self.visit(user).await.status, 200);
        self.standin()
            .set_faults(|faults| faults.refuse_exchange = false);
        self.expect_one("failed");
    }

    async fn open(&mut self, user: &str, cookie: &str) -> Client {
        let mut client = Client::connect(self.process.addr).await;
        let head = format!("GET /ws\n{HANDSHAKE}\nX-User: {user}\nCookie: {cookie}");
        client.send_head(&head).await;
        assert_eq!(client.head().await.expect("a head").status, 101);
        self.expect_one("opened");
        client
    }

    /// Ends a tunnel in each of the client's ways, once.
    async fn tunnels(&mut self, user: &str, cookie: &str) {
        let mut closing = self.open(user, cookie).await;
        closing.send(&CLOSE).await;
        closing.rest().await;
        drop(closing);
        self.expect_one("graceful");
        drop(self.open(user, cookie).await);
        self.expect_one("downstream_closed");
        self.until_closed().await;
    }

    async fn until_closed(&self) {
        Scrape::until(self.metrics, |scrape| scrape.get("open_tunnels") == 0.0).await;
    }

    /// Kills t3 under an open tunnel and starts it again.
    async fn restart(&mut self, user: &str, cookie: &str) {
        let mut lost = self.open(user, cookie).await;
        self.standin.take().expect("t3 is there").kill();
        lost.rest().await;
        drop(lost);
        self.expect_one("upstream_closed");
        let is_down = "upstream_state{state=\"down\"}";
        Scrape::until(self.metrics, |scrape| scrape.get(is_down) == 1.0).await;
        self.expect_one("down");
        let mut options = StandinOptions::new(self.dir.path().join("t3"));
        options.listen = self.upstream;
        self.standin = Some(Standin::start(options).await.expect("its port again"));
        self.until_up().await;
        self.expect_one("up");
    }
}

/// The lines whose message begins with `message`.
fn lines<'a>(log: &'a [Value], message: &str) -> Vec<&'a Value> {
    let said = |line: &&Value| {
        let said = line["message"].as_str().unwrap_or_default();
        said.starts_with(message)
    };
    log.iter().filter(said).collect()
}

fn with(lines: &[&Value], key: &str, value: &str) -> usize {
    lines.iter().filter(|line| line[key] == value).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_metrics_agree_with_what_was_done() {
    let mut scenario = Scenario::begin().await;
    scenario.expect_one("up");
    for round in 0..6 {
        let user = format!("alice{round}");
        let cookie = scenario.pair_by_api(&user).await;
        scenario.pair_by_cli(&format!("bob{round}")).await;
        scenario.fail_to_pair(&format!("carol{round}")).await;
        scenario.tunnels(&user, &cookie).await;
        if round % 2 == 0 {
            scenario.restart(&user, &cookie).await;
        }
    }
    scenario.until_closed().await;
    let scrape = Scrape::of(scenario.metrics).await;
    let sessions = scenario.standin().sessions().into_iter();
    let of_browsers = sessions.filter(|session| session.method == "browser-session-cookie");
    let made = of_browsers.count();
    scenario.process.signal(Signal::TERM);
    let Scenario {
        process, expected, ..
    } = scenario;
    let ended = tokio::task::spawn_blocking(|| process.end());
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    let (code, log) = ended.expect("in time").expect("no panic");
    assert_eq!(code, Some(0), "{log}");
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    compare_pairings(&expected, &scrape, &log);
    compare_tunnels(&expected, &scrape, &log);
    compare_states(&expected, &scrape, &log);
    assert_eq!(
        expected["api"] + expected["cli"],
        made,
        "sessions that t3 made"
    );
}

fn compare_pairings(expected: &BTreeMap<&str, usize>, scrape: &Scrape, log: &[Value]) {
    let paired = lines(log, "paired");
    for way in ["api", "cli"] {
        let counted = scrape.get(&format!("pairings_total{{way=\"{way}\"}}"));
        let logged = with(&paired, "way", way);
        assert_eq!(
            (expected[way], expected[way] as f64),
            (logged, counted),
            "{way}"
        );
    }
    assert_eq!(paired.len(), expected["api"] + expected["cli"]);
    for line in &paired {
        for key in ["user", "way", "endpoint", "fallback", "ms", "request_id"] {
            assert!(!line[key].is_null(), "{key} in {line}");
        }
        let user = line["user"].as_str().expect("a name");
        assert_eq!(line["request_id"], format!("{user}-1"));
    }
    let failed = lines(log, "pairing failed");
    let counted = scrape.get("pairings_failed_total{cause=\"exchange_refused\"}");
    assert_eq!(
        (failed.len(), failed.len() as f64),
        (expected["failed"], counted)
    );
    assert_eq!(scrape.sum("pairings_failed_total"), counted);
    // A failed pairing used up a credential of its own.
    assert_eq!(
        scrape.get("exchanges_total{endpoint=\"browser-session\"}"),
        paired.len() as f64
    );
}

fn compare_tunnels(expected: &BTreeMap<&str, usize>, scrape: &Scrape, log: &[Value]) {
    let closed = lines(log, "ws close");
    let causes = ["graceful", "downstream_closed", "upstream_closed"];
    for cause in causes {
        let series = format!("tunnel_duration_seconds_count{{cause=\"{cause}\"}}");
        let (logged, counted) = (with(&closed, "cause", cause), scrape.get(&series));
        assert_eq!(
            (expected[cause], expected[cause] as f64),
            (logged, counted),
            "{cause}"
        );
    }
    assert_eq!(closed.len(), expected["opened"]);
    assert_eq!(
        scrape.get("tunnels_opened_total"),
        expected["opened"] as f64
    );
    for line in &closed {
        for key in ["user", "ip", "dur_ms", "cause", "request_id"] {
            assert!(!line[key].is_null(), "{key} in {line}");
        }
    }
}

fn compare_states(expected: &BTreeMap<&str, usize>, scrape: &Scrape, log: &[Value]) {
    for state in ["up", "down"] {
        let series = format!("upstream_state_changes_total{{state=\"{state}\"}}");
        let logged = lines(log, &format!("t3 is {state}")).len();
        let counted = scrape.get(&series);
        assert_eq!(
            (expected[state], expected[state] as f64),
            (logged, counted),
            "{state}"
        );
    }
    // No line for each request.
    let requests = log.iter().filter(|line| line["message"] == "request");
    assert_eq!(requests.count(), 0);
}
