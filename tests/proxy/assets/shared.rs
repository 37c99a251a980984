//! The files of several t3s behind one dispatcher, whose encoded contents are in one store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use t3_dispatcher::assets::StaticAssets;
use t3_dispatcher::assets::content_store::ContentStore;
use t3_dispatcher::config::timing::Timing;
use t3_dispatcher::http_rules::frame_ancestors::FrameAncestors;
use t3_dispatcher::metrics::Metrics;
use t3_dispatcher::process::Tasks;
use t3_dispatcher::responses::ClientResponse;
use t3_dispatcher::upstream::health::Readiness;
use t3_dispatcher::upstream::{Upstream, probe};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::assets::files::{decoded, file, script};
use crate::assets::site::COMPRESSION_BOUND;
use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, read_head, target_of};
use crate::common::{PATIENCE, config};

/// What the t3s share.
struct Shared {
    tasks: Tasks,
    metrics: Arc<Metrics>,
    content: Option<Arc<ContentStore>>,
    dir: TempDir,
}

/// One of them, and its files.
struct OneOfMany {
    raw: RawUpstream,
    assets: StaticAssets,
    readiness: Arc<Readiness>,
    upstream: Arc<Upstream>,
}

impl Shared {
    fn with(args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let (tasks, metrics) = (Tasks::default(), Arc::<Metrics>::default());
        let assets = config(([127, 0, 0, 1], 1).into(), dir.path(), args).assets;
        Self {
            content: ContentStore::new(&assets, &tasks, &metrics),
            tasks,
            metrics,
            dir,
        }
    }

    fn upstream_at(&self, addr: SocketAddr) -> (Arc<Readiness>, Arc<Upstream>) {
        let config = config(addr, self.dir.path(), &[]);
        let readiness = Arc::new(Readiness::new(Arc::clone(&self.metrics)));
        let upstream = Arc::new(Upstream::new(
            config.upstream,
            config.limits.header_limit,
            Timing::default(),
            Arc::clone(&readiness),
            Arc::default(),
            self.tasks.clone(),
            probe::process_id(),
        ));
        (readiness, upstream)
    }

    fn with_files_of(&self, raw: RawUpstream) -> OneOfMany {
        let (readiness, upstream) = self.upstream_at(raw.addr);
        let frame_ancestors = FrameAncestors::new("'self'").expect("sources");
        let (tasks, metrics) = (&self.tasks, &self.metrics);
        let content = self.content.as_ref();
        OneOfMany {
            assets: StaticAssets::new(content, frame_ancestors, &upstream, tasks, metrics),
            raw,
            readiness,
            upstream,
        }
    }

    async fn serving(&self, files: &[(&'static str, &[u8])]) -> OneOfMany {
        let response = |body| file("text/javascript", body);
        let files = files.iter().map(|(path, body)| (*path, response(body)));
        self.with_files_of(RawUpstream::serving(files.collect()).await)
    }

    fn stored_bytes(&self) -> usize {
        let text = self.metrics.text().expect("metrics");
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("t3_dispatcher_asset_store_bytes "));
        line.expect("the metric").parse().expect("a number")
    }
}

impl OneOfMany {
    /// The response to `GET path` by a client that accepts `codings`, its body unread.
    async fn ask(&self, path: &str, codings: &str) -> ClientResponse {
        let request = Request::get(path).header("accept-encoding", codings);
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let request = self.assets.request(&head, None).expect("a file");
        let fetched = request.fetch(PATIENCE, &Arc::default()).await;
        fetched.expect("a response")
    }

    /// The same, read to its end.
    async fn get(&self, path: &str, codings: &str) -> Response {
        let (head, body) = self.ask(path, codings).await.into_parts();
        let body = body.collect().await;
        let fields = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        Response {
            status: head.status.as_u16(),
            headers: fields.collect(),
            complete: body.is_ok(),
            body: body.map_or_else(|_| Vec::new(), |body| body.to_bytes().to_vec()),
            trailers: Vec::new(),
            interim: Vec::new(),
        }
    }

    /// Waits until `path` is sent in brotli of fewer than `below` bytes.
    async fn best(&self, path: &str, below: usize) -> Response {
        let start = Instant::now();
        loop {
            let response = self.get(path, "br").await;
            if response.body.len() < below {
                return response;
            }
            assert!(start.elapsed() < COMPRESSION_BOUND, "never at its best");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn one_path_with_different_bytes_is_each_t3_s_own() {
    let shared = Shared::with(&[]);
    let mut of_bob = script(50_000);
    of_bob[7] ^= 1;
    let contents = [script(50_000), of_bob, script(40_000)];
    let mut t3s = Vec::new();
    for body in &contents {
        let t3 = shared
            .serving(&[("/assets/a.js", body), ("/a.svg", body)])
            .await;
        t3s.push(t3);
    }
    for codings in ["br", "zstd", "gzip", "identity", "br"] {
        for (t3, body) in t3s.iter().zip(&contents) {
            for path in ["/assets/a.js", "/a.svg"] {
                let response = t3.get(path, codings).await;
                assert!(decoded(&response) == *body, "{path} {codings}");
            }
        }
    }
    for t3 in &t3s {
        assert_eq!(t3.raw.count_of("/assets/a.js"), 1);
    }
}

#[tokio::test]
async fn equal_bytes_are_encoded_once_and_asked_of_each_t3() {
    let (shared, body) = (Shared::with(&[]), script(50_000));
    let ada = shared.serving(&[("/assets/a.js", &body)]).await;
    let fast = ada.get("/assets/a.js", "br").await;
    let best = ada.best("/assets/a.js", fast.body.len()).await;
    // Its gzip is there, too.
    let before = shared.stored_bytes();
    let bob = shared.serving(&[("/assets/b.js", &body)]).await;
    let of_bob = bob.get("/assets/b.js", "br").await;
    assert!(of_bob.body == best.body && decoded(&of_bob) == body);
    assert_eq!(bob.raw.count_of("/assets/b.js"), 1);
    let after = shared.stored_bytes();
    assert!(after - before < 4096, "{before} {after}: names and fields");
    // What another t3 has sent is nothing at this one, by its own name or by another's.
    assert_eq!(bob.get("/assets/a.js", "br").await.status, 404);
    assert_eq!(ada.get("/assets/b.js", "br").await.status, 404);
    drop(bob);
    assert_eq!(shared.stored_bytes(), before, "they are given back");
}

#[tokio::test]
async fn fields_are_each_t3_s_own() {
    let (shared, body) = (Shared::with(&[]), script(5_000));
    let script = shared.serving(&[("/assets/a.js", &body)]).await;
    let style = vec![("/assets/a.js", file("text/css", &body))];
    let style = shared.with_files_of(RawUpstream::serving(style).await);
    let font = vec![("/assets/a.js", file("font/woff2", &body))];
    let font = shared.with_files_of(RawUpstream::serving(font).await);
    for _ in 0..3 {
        for (t3, content_type, coding) in [
            (&script, "text/javascript", "gzip"),
            (&style, "text/css", "gzip"),
            (&font, "font/woff2", ""),
        ] {
            let response = t3.get("/assets/a.js", "gzip").await;
            assert!(decoded(&response) == body, "{content_type}");
            assert_eq!(response.header("content-type"), content_type);
            assert_eq!(response.header("content-encoding"), coding);
        }
    }
}

#[tokio::test]
async fn memory_is_bounded_in_sum_and_what_was_dropped_is_asked_of_its_own_t3() {
    let shared = Shared::with(&["--assets-memory", "64KiB"]);
    let noise = |seed: u8| -> Vec<u8> {
        let bytes = (0..12_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed);
        bytes.collect()
    };
    let png = |seed| vec![("/assets/a.png", file("image/png", &noise(seed)))];
    let mut t3s = Vec::new();
    for seed in 0..8 {
        t3s.push(shared.with_files_of(RawUpstream::serving(png(seed)).await));
    }
    for turn in 1..=2 {
        for (seed, t3) in (0..).zip(&t3s) {
            let response = t3.get("/assets/a.png", "br").await;
            assert!(decoded(&response) == noise(seed));
            assert_eq!(t3.raw.count_of("/assets/a.png"), turn);
            assert!(shared.stored_bytes() <= 64 * 1024);
        }
    }
    assert!(shared.stored_bytes() > 32 * 1024);
}

#[tokio::test]
async fn a_t3_that_stops_amid_its_files_delays_no_other() {
    let shared = Shared::with(&[]);
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let stopped = RawUpstream::of_files(move |mut stream, _, _| {
        let closed = Arc::clone(&closed);
        async move {
            let whole = file("text/javascript", &vec![b'a'; 16 * 1024 * 1024]);
            let _ = stream.write_all(&whole[..20_000]).await;
            let _ = closed.acquire().await;
        }
    });
    let stopped = shared.with_files_of(stopped.await);
    let mut begun = Vec::new();
    for name in ["/assets/1", "/assets/2", "/assets/3", "/assets/4"] {
        begun.push(stopped.ask(name, "br").await);
    }
    let body = script(50_000);
    let other = shared.serving(&[("/assets/a.js", &body)]).await;
    let response = other.get("/assets/a.js", "br").await;
    assert!(response.complete && decoded(&response) == body);
    let coding = response.header("content-encoding");
    assert_eq!(coding, "", "there is no room to encode it");
    assert!(response.header("cache-control").ends_with("immutable"));
    drop((begun, gate));
}

#[tokio::test]
async fn few_t3s_are_warmed_up_at_a_time() {
    let shared = Shared::with(&[]);
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut t3s = Vec::new();
    for _ in 0..6 {
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        let raw = RawUpstream::of_files(move |mut stream, head, _| {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            async move {
                if target_of(&head) == "/" {
                    begun.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("an open gate").forget();
                }
                let _ = stream.write_all(&file("text/html", b"<p>")).await;
            }
        });
        t3s.push(Arc::new(shared.with_files_of(raw.await)));
    }
    for t3 in &t3s {
        let watching = Arc::clone(t3);
        shared
            .tasks
            .until_drained(async move { watching.readiness.watch(&watching.upstream).await });
        let warming = Arc::clone(t3);
        shared
            .tasks
            .until_drained(async move { warming.assets.keep_warm(&warming.readiness).await });
    }
    for t3 in &t3s {
        t3.readiness.wait_until_up_again(0).await;
        // Whoever was to be asked for its page has been.
        t3.get("/other.html", "br").await;
        let begun = begun.load(Ordering::SeqCst);
        assert!(begun <= 2, "{begun} at a time");
    }
    gate.add_permits(t3s.len());
    for t3 in &t3s {
        t3.raw.wait_for("/").await;
    }
    shared.tasks.finish(PATIENCE, PATIENCE, || {}).await;
}

/// How many t3s there are, how many of them have files, and how many: a page of v0.0.42 loads 159
/// (contract §11).
const T3S: usize = 1000;
const WITH_FILES: usize = 100;
const FILES: usize = 160;

/// What one may take, in bytes: without a file, and with those.
const MOST_EMPTY: usize = 2048;
const MOST_WITH_FILES: usize = 16 * 1024;

/// This process's resident memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: usize = kib.and_then(|kib| kib.parse().ok()).expect("a figure");
    kib * 1024
}

/// A t3 that has any file, and keeps nothing of who asks.
async fn forgetful_t3() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            let body = target_of(&head).as_bytes().repeat(50);
            let _ = stream.write_all(&file("text/javascript", &body)).await;
        }
    });
    addr
}

async fn fetch_all(assets: &StaticAssets, names: &[String]) {
    for name in names {
        let request = Request::get(name).body(()).expect("a request");
        let (head, ()) = request.into_parts();
        let request = assets.request(&head, None).expect("a file");
        let response = request.fetch(PATIENCE, &Arc::default()).await;
        let body = response.expect("a response").into_body();
        body.collect().await.expect("a whole body");
    }
}

#[tokio::test]
#[ignore = "of a process that does nothing else: the figures of .ci/run include it"]
async fn a_thousand_t3s_with_the_files_of_a_page_take_little_memory() {
    let shared = Shared::with(&[]);
    let (_, upstream) = shared.upstream_at(forgetful_t3().await);
    let names = (0..FILES).map(|number| format!("/assets/index-{number:08}.js"));
    let names: Vec<_> = names.collect();
    let frame_ancestors = FrameAncestors::new("'self'").expect("sources");
    let (tasks, metrics) = (&shared.tasks, &shared.metrics);
    let made = || {
        let (content, policy) = (shared.content.as_ref(), frame_ancestors.clone());
        StaticAssets::new(content, policy, &upstream, tasks, metrics)
    };
    // What the test itself takes for it is there before.
    for _ in 0..5 {
        fetch_all(&made(), &names).await;
    }
    let before = resident();
    let all: Vec<_> = (0..T3S).map(|_| made()).collect();
    let empty = (resident() - before) / T3S;
    let before = resident();
    for assets in &all[..WITH_FILES] {
        fetch_all(assets, &names).await;
    }
    let with_files = (resident() - before) / WITH_FILES;
    println!("{empty} bytes each, {with_files} more with {FILES} files");
    assert!(empty < MOST_EMPTY && with_files < MOST_WITH_FILES);
}
