//! What a real Chromium waits for and transfers on a slow line, with static files handled here and without.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::browser::{Begin, Browser, Load, Page};
use crate::common::line::{self, DESK};
use crate::common::process::{Process, is_release};
use crate::sign_on_gate::Gate;
use crate::t3::T3;
use crate::tap::Tap;

const ROUNDS: usize = 3;

/// How long one load may take: about five times what it takes of t3 as it is.
const LIMIT: Duration = Duration::from_secs(30);

/// What trickles in behind the socket belongs to the load.
const TAIL: Duration = Duration::from_secs(2);

/// A dispatcher, a count of what it asks of t3, and a line to its browser.
struct Side {
    tap: Tap,
    process: Process,
    line: SocketAddr,
}

impl Side {
    async fn start(t3: &T3, assets: &str) -> Self {
        let tap = Tap::before(t3.addr).await;
        let mut command = t3.dispatcher();
        command
            .env("T3_UPSTREAM_PORT", tap.addr.port().to_string())
            .env("DISPATCHER_ASSETS", assets);
        let process = Process::start(&mut command);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let line = listener.local_addr().expect("a bound socket");
        tokio::spawn(line::carry_all(listener, process.addr, DESK));
        Self { tap, process, line }
    }

    /// Waits for the end of the warm-up.
    async fn warm(mut self) -> Self {
        self.process = self.process.warm().await;
        self
    }

    /// A first load in a browser without anything in its cache, and a reload.
    async fn visit(&self, browser: &Browser) -> [Load; 2] {
        let page = browser.page().await;
        let url = format!("http://{}/", self.line);
        let cold = self.load(&page, Begin::Navigate(&url)).await;
        let again = self.load(&page, Begin::Reload).await;
        page.close().await;
        [cold, again]
    }

    async fn load(&self, page: &Page, begin: Begin<'_>) -> Load {
        let load = page.load(begin, &self.line.to_string(), LIMIT, TAIL).await;
        load.expect("a WebSocket in time")
    }
}

fn median(loads: &[Load]) -> Load {
    let mut sorted = loads.to_vec();
    sorted.sort_by(|one, other| one.ms().total_cmp(&other.ms()));
    sorted[sorted.len() / 2].clone()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn a_reload_asks_for_little_and_a_first_load_takes_no_longer() {
    let t3 = T3::start().await;
    let on = Side::start(&t3, "on").await.warm().await;
    let as_is = Side::start(&t3, "off").await;
    let Some(browser) = Browser::launch().await else {
        return t3.finish().await;
    };
    let mut loads = BTreeMap::<(&str, &str), Vec<Load>>::new();
    for _ in 0..ROUNDS {
        for (name, side) in [("as is", &as_is), ("on", &on)] {
            let [cold, again] = side.visit(&browser).await;
            loads.entry((name, "cold")).or_default().push(cold);
            loads.entry((name, "again")).or_default().push(again);
        }
    }
    for (what, loads) in &loads {
        let figures = |load: &Load| (load.asked.len(), load.bytes, load.ms().round());
        let all: Vec<_> = loads.iter().map(figures).collect();
        println!("{what:?}: {:?} of {all:?}", figures(&median(loads)));
    }
    let of = |name, load| median(&loads[&(name, load)]);
    let (cold, again) = (of("on", "cold"), of("on", "again"));
    let (cold_as_is, again_as_is) = (of("as is", "cold"), of("as is", "again"));
    // The page, the session, the descriptor, and behind the socket the shell.
    for load in &loads[&("on", "again")] {
        assert!(load.asked.len() <= 4, "{:?}", load.asked);
        for path in ["/api/auth/session", "/.well-known/t3/environment"] {
            let times = load.asked.iter().filter(|url| url.ends_with(path));
            assert_eq!(times.count(), 1, "{path}: {:?}", load.asked);
        }
    }
    assert!(
        again_as_is.asked.len() > 100,
        "as is, it asks for each file"
    );
    assert!(cold.bytes as f64 <= 0.9 * cold_as_is.bytes as f64);
    // A debug build on a busy machine shows the order only.
    let (faster, as_fast) = if is_release() {
        (0.75, 1.1)
    } else {
        (1.0, 1.3)
    };
    assert!(again.ms() < faster * again_as_is.ms());
    assert!(cold.ms() < as_fast * cold_as_is.ms());
    let mut asked = on.tap.count_by_path();
    asked.retain(|path, _| path.starts_with("/assets/"));
    assert!(asked.len() > 100, "{}", asked.len());
    assert!(asked.values().all(|count| *count == 1), "{asked:?}");
    drop(browser);
    t3.finish().await;
}

/// A visitor who comes while nothing is compressed yet is sent no more than by t3 itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn no_file_is_larger_than_t3_s_own_before_the_best_is_ready() {
    let t3 = T3::start().await;
    // The store is too small for anything: each response is made while the client waits.
    let mut command = t3.dispatcher();
    command.env("DISPATCHER_ASSETS_MEMORY", "1KiB");
    let process = Process::start(&mut command);
    let page = crate::common::request(t3.addr, "GET /").await.text();
    let entry = page
        .split('"')
        .find(|text| text.starts_with("/assets/index-"));
    let entry = entry.expect("a script").to_owned();
    let script = crate::common::request(t3.addr, &format!("GET {entry}"))
        .await
        .text();
    let names = script.split('"').filter(|text| text.starts_with("assets/"));
    let mut paths: Vec<_> = names.map(|name| format!("/{name}")).collect();
    assert!(paths.len() > 100, "{}", paths.len());
    paths.extend([entry, "/".to_owned(), "/favicon.ico".to_owned()]);
    let (mut own, mut of_t3) = (0, 0);
    for path in paths {
        let head = format!("GET {path}\nAccept-Encoding: gzip, deflate, br, zstd");
        let sent = crate::common::request(process.addr, &head).await;
        let by_t3 = crate::common::request(t3.addr, &head).await;
        assert_eq!((sent.status, by_t3.status), (200, 200), "{path}");
        let (sent, by_t3) = (sent.body.len(), by_t3.body.len());
        assert!(sent <= by_t3, "{path}: {sent} of {by_t3}");
        own += sent;
        of_t3 += by_t3;
    }
    println!("{own} bytes, {of_t3} by t3 itself");
    t3.finish().await;
}

/// t3 brings a manifest of its own: Chromium gets it from behind a gate that wants its cookie.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real t3: set LIVE_T3_BIN to its path"]
async fn t3_s_own_manifest_is_had_from_behind_a_gate() {
    let Some(browser) = Browser::launch().await else {
        return;
    };
    let t3 = T3::start().await;
    let dispatcher = Process::start(&mut t3.dispatcher());
    let gate = Gate::before(dispatcher.addr).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", gate.addr)).await;
    let links = "document.querySelectorAll('link[rel=manifest]').length";
    assert_eq!(page.evaluate(links).await, 1);
    let found = page.command("Page.getAppManifest", json!({})).await;
    let found = found.unwrap_or_else(|error| panic!("Page.getAppManifest: {error}"));
    assert_eq!(found["errors"], json!([]), "{found:#}");
    let manifest: Value =
        serde_json::from_str(found["data"].as_str().expect("text")).expect("JSON");
    println!("{manifest:#}");
    assert_eq!(manifest["start_url"], "/");
    let verdict = page
        .command("Page.getInstallabilityErrors", json!({}))
        .await;
    println!("Chromium's verdict: {verdict:?}");
    let away = gate.turned_away();
    assert!(
        !away.iter().any(|path| path.contains("manifest")),
        "{away:?}"
    );
    // Without the dispatcher's attribute the gate turns the request away.
    let mut plain = t3.dispatcher();
    let plain = Process::start(plain.env("DISPATCHER_PWA", "off"));
    let gate = Gate::before(plain.addr).await;
    let page = browser.page().await;
    page.navigate(&format!("http://{}/", gate.addr)).await;
    let _ = page.command("Page.getAppManifest", json!({})).await;
    let away = gate.turned_away();
    assert!(
        away.iter().any(|path| path.contains("manifest")),
        "{away:?}"
    );
    t3.finish().await;
}
