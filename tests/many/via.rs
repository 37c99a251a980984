//! A dispatcher in front of others, each beside its own t3: it pairs nobody, and tells who the person is.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use t3_dispatcher::config::timing::Timing;
use t3_standin::server::{Options as StandinOptions, Standin};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::common::http::Response;
use crate::common::raw_upstream::{RawUpstream, read_until_closed};
use crate::common::{Client, Config, Dispatcher, HANDSHAKE, PAGE, PATIENCE, Scrape, request};

/// What the gate adds to a request of a person who has signed in, and what proves that it is the gate.
const ADA: &str =
    "X-authentik-username: ada\nX-authentik-groups: dev|ops\nX-Dispatcher-Secret: of the door";

/// An inner dispatcher with its t3, and two in front that know nothing of each other.
struct Tiers {
    standin: Option<Standin>,
    inner: Dispatcher,
    fronts: [Dispatcher; 2],
    dir: TempDir,
}

impl Tiers {
    async fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let options = StandinOptions::new(dir.path().join("t3"));
        let standin = Standin::start(options).await.expect("a free port");
        let secret = dir.path().join("inner");
        std::fs::write(&secret, "between\n").expect("writable");
        let secret = secret.to_str().expect("a UTF-8 path");
        let options = ["--gate", "authentik", "--allowed-users", "ada"];
        let options = [&options[..], &["--secret-file", secret]].concat();
        let mut config = crate::common::config(standin.addr(), dir.path(), &options);
        hurried(&mut config.timing);
        let inner = Dispatcher::start(config).await;
        let fronts = [
            front(dir.path(), inner.addr.port(), &[]).await,
            front(dir.path(), inner.addr.port(), &[]).await,
        ];
        Self {
            standin: Some(standin),
            inner,
            fronts,
            dir,
        }
    }

    async fn stop_t3(&mut self) {
        let standin = self.standin.take().expect("it runs");
        standin.stop().await;
    }

    fn write_secret(&self, of: &str, secrets: &str) {
        write(&self.dir.path().join(of), secrets);
    }

    /// The response of the first dispatcher in front to a request of Ada's.
    async fn ask(&self, head: &str) -> Response {
        request(self.fronts[0].addr, &format!("{head}\n{ADA}")).await
    }

    /// That of the inner one, asked as those in front ask it.
    async fn ask_inner(&self, head: &str, secret: &str) -> Response {
        let ada = ADA.replace("of the door", secret);
        request(self.inner.addr, &format!("{head}\n{ada}")).await
    }

    /// Compares what the inner one says with what comes of it through the one in front.
    async fn compare(&self, state: &str, heads: &[String], fields: &str) {
        let shown = |response: &Response| {
            let mut fields = response.fields();
            fields.retain(|(name, _)| name != "date");
            fields.sort();
            (response.status, fields, response.text())
        };
        for head in heads {
            let head = format!("{head}\n{fields}");
            let of_inner = self.ask_inner(&head, "between").await;
            let passed = self.ask(&head).await;
            assert_eq!(shown(&passed), shown(&of_inner), "{state}: {head}");
        }
    }

    async fn sign_in(&self) -> String {
        let response = self.ask(&format!("GET /\n{PAGE}")).await;
        assert_eq!(response.status, 302, "{}", response.text());
        response.cookie()
    }
}

/// Whole or not at all, as an operator's tools do it.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("writable");
    std::fs::rename(&new, path).expect("writable");
}

/// A file counts for no longer than a request, so that none has to be waited for.
fn hurried(timing: &mut Timing) {
    timing.file_reread = Duration::ZERO;
    timing.page_patience = Duration::from_millis(300);
}

/// The configuration of a dispatcher in front, by which Ada and Eve belong to the one at `port`.
fn front_config(dir: &Path, port: u16, args: &[&str]) -> Config {
    let path = |name: &str| dir.join(name).to_str().expect("a UTF-8 path").to_owned();
    let row = json!({"port": port, "via": "dispatcher"});
    write(
        &dir.join("routes"),
        &json!({"ada": row, "eve": row}).to_string(),
    );
    write(&dir.join("door"), "of the door\n");
    if !dir.join("upstream").exists() {
        write(&dir.join("upstream"), "between\n");
    }
    let (routes, door, upstream) = (path("routes"), path("door"), path("upstream"));
    let options = [
        "t3-dispatcher",
        "--gate",
        "authentik",
        "--routes",
        &routes,
        "--secret-file",
        &door,
        "--upstream-secret-file",
        &upstream,
    ];
    let mut config = Config::try_parse_from(options.iter().chain(args)).expect("options");
    hurried(&mut config.timing);
    config
}

async fn front(dir: &Path, port: u16, args: &[&str]) -> Dispatcher {
    Dispatcher::start(front_config(dir, port, args)).await
}

/// A raw upstream in the place of an inner dispatcher.
async fn raw_inner() -> RawUpstream {
    let healthy = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let own = |head: &[u8]| head.starts_with(b"GET /healthz ").then(|| healthy.to_vec());
    RawUpstream::with_own_requests(own, |mut stream, _, _| async move {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(response).await;
        let _ = stream.shutdown().await;
        read_until_closed(&mut stream).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_through_both_lands_in_a_session() {
    let tiers = Tiers::start().await;
    let https = format!("GET /\n{PAGE}\nX-Forwarded-Proto: https");
    let paired = tiers.ask(&https).await;
    assert_eq!(
        (paired.status, paired.header("location")),
        (302, "/".into())
    );
    assert!(
        paired.header("set-cookie").ends_with("; Secure"),
        "the inner one adds it"
    );
    let cookie = tiers.sign_in().await;
    let page = tiers
        .ask(&format!("GET /t/1\n{PAGE}\nCookie: {cookie}"))
        .await;
    assert_eq!(page.status, 200);
    let session = tiers
        .ask(&format!("GET /api/auth/session\nCookie: {cookie}"))
        .await;
    assert_eq!(session.json()["authenticated"], true);
    // Another one in front knows as much: nothing is kept between two requests.
    let other = &tiers.fronts[1];
    let head = format!("GET /api/auth/session\nCookie: {cookie}\n{ADA}");
    assert_eq!(
        request(other.addr, &head).await.json()["authenticated"],
        true
    );
    let mut client = Client::connect(other.addr).await;
    client
        .send_head(&format!("GET /ws\nCookie: {cookie}\n{ADA}\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    // A tab whose session has died is healed by the inner one.
    let mut healed = Client::connect(tiers.fronts[0].addr).await;
    let origin = "Origin: http://t3.localhost\nCookie: t3_session=dead";
    healed
        .send_head(&format!("GET /ws\n{origin}\n{ADA}\n{HANDSHAKE}"))
        .await;
    let response = healed.head().await.expect("a response");
    assert_eq!(response.status, 101);
    assert!(response.header("set-cookie").starts_with("t3_session="));
    let seen = tiers.standin.as_ref().expect("it runs").requests();
    assert!(
        seen.iter()
            .all(|seen| seen.header("x-dispatcher-secret").is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_inner_one_says_goes_on_as_it_is() {
    let mut tiers = Tiers::start().await;
    let cookie = tiers.sign_in().await;
    let id = format!("Cookie: {cookie}\nX-Request-Id: of-a-test-1");
    let heads = [
        format!("GET /\n{PAGE}"),
        format!("GET /t/1\n{PAGE}"),
        "GET /api/auth/session\nSec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty".to_owned(),
        "GET /assets/none.js".to_owned(),
        "GET /manifest.webmanifest".to_owned(),
        "GET /dispatcher/tab.js".to_owned(),
        "GET /dispatcher/alive".to_owned(),
        format!("GET /dispatcher/signed-in\n{PAGE}"),
        "HEAD /".to_owned(),
        "GET /api/none".to_owned(),
        "DELETE /api/none".to_owned(),
        format!("GET /ws\nOrigin: http://evil.test\n{HANDSHAKE}"),
    ];
    tiers.compare("up", &heads, &id).await;
    tiers.stop_t3().await;
    let waiting = tiers.ask(&format!("GET /\n{PAGE}\n{id}")).await;
    assert_eq!(
        (waiting.status, waiting.header("retry-after")),
        (503, "1".into())
    );
    assert!(waiting.text().contains("T3 Code is not running"));
    tiers.compare("down", &heads, &id).await;
    let eve = format!("GET /\n{PAGE}\n{}", ADA.replace(": ada", ": eve"));
    let denied = request(tiers.fronts[0].addr, &eve).await;
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("may not use this T3 Code"),
        "{}",
        denied.text()
    );
}

/// What a client, or the gate, may send beside the person's own fields.
const SPOOFED: [&str; 9] = [
    "",
    "X-Dispatcher-User: eve",
    "X-Dispatcher-Groups: admins",
    "x_dispatcher_secret: between",
    "X.Dispatcher.Secret: between",
    "X_authentik_username: eve",
    "X_Authentik_Groups: admins",
    "X-authentik-email: eve@h.test",
    "Remote-User: eve",
];

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_identity_and_one_secret_reach_the_inner_one() {
    for switch in ["on", "off"] {
        let raw = raw_inner().await;
        let dir = TempDir::new().expect("a temporary directory");
        let mut config = front_config(dir.path(), raw.addr.port(), &["--fast-path", switch]);
        // Files that count for a while: on the fast path none is looked at.
        config.timing.file_reread = PATIENCE;
        let front = Dispatcher::start(config).await;
        let kinds = [
            ("GET /api/x", "Accept: */*"),
            ("GET /assets/x.js", "Sec-Fetch-Dest: script"),
            ("POST /api/y", "Content-Length: 0"),
            ("GET /p", PAGE),
            ("GET /ws", HANDSHAKE),
            ("GET /dispatcher/alive", "Accept: */*"),
        ];
        for (first, fields) in kinds {
            for spoofed in SPOOFED {
                let head = format!("{first}\n{fields}\n{spoofed}\n{ADA}");
                let head = head.replace("\n\n", "\n");
                assert_eq!(request(front.addr, &head).await.status, 200, "{head}");
            }
            let target = first.split(' ').nth(1).expect("a target");
            let seen = raw.client_heads(target);
            assert_eq!(seen.len(), SPOOFED.len(), "{first}");
            for head in seen {
                let told: Vec<_> = head
                    .lines()
                    .filter(|line| {
                        ["eve", "admins", "door", "between", "ada", "dev"]
                            .iter()
                            .any(|word| line.contains(word))
                    })
                    .map(str::to_ascii_lowercase)
                    .collect();
                let expected = [
                    "x-dispatcher-secret: between",
                    "x-authentik-username: ada",
                    "x-authentik-groups: dev|ops",
                ];
                let mut told: Vec<_> = told.iter().map(String::as_str).collect();
                told.sort_by_key(|line| expected.iter().position(|held| held == line));
                assert_eq!(told, expected, "fast path {switch}: {head}");
            }
        }
        let scrape = Scrape::of(front.metrics).await;
        let fast = scrape.get("requests_by_way_total{way=\"fast_path\"}");
        assert_eq!(
            fast > SPOOFED.len() as f64,
            switch == "on",
            "{fast} by the fast path"
        );
        // Two identities, or a secret that is not the door's, are nobody, of whom nothing is asked.
        let before = raw.connections();
        for fields in [
            ADA.replace("of the door", "between"),
            format!("{ADA}\nX-authentik-username: ada"),
            "X-Dispatcher-Secret: of the door".to_owned(),
        ] {
            let response = request(front.addr, &format!("GET /api/x\n{fields}")).await;
            assert_eq!(response.status, 403, "{fields}");
        }
        assert_eq!(raw.connections(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_of_the_tier_nobody_is_anybody() {
    let tiers = Tiers::start().await;
    for secret in [
        "of the door",
        "",
        "betwee",
        "between\nX-Dispatcher-Secret: between",
    ] {
        let response = tiers.ask_inner(&format!("GET /\n{PAGE}"), secret).await;
        assert_eq!(response.status, 403, "{secret}");
        assert_eq!(response.header("set-cookie"), "", "{secret}");
    }
    // One in front that has none sends nothing at all, and goes on once it has one.
    let raw = raw_inner().await;
    let dir = TempDir::new().expect("a temporary directory");
    write(&dir.path().join("upstream"), "\n");
    let front = front(dir.path(), raw.addr.port(), &[]).await;
    for head in [
        "GET /api/x".to_owned(),
        format!("GET /\n{PAGE}"),
        format!("GET /ws\n{HANDSHAKE}"),
    ] {
        let head = format!("{head}\n{ADA}");
        let response = request(front.addr, &head).await;
        assert_eq!(response.status, 503, "{head}");
        assert!(
            response.text().contains("the secret"),
            "{}",
            response.text()
        );
        write(&dir.path().join("upstream"), "between\n");
        assert_eq!(request(front.addr, &head).await.status, 200, "{head}");
        std::fs::remove_file(dir.path().join("upstream")).expect("there");
        assert_eq!(request(front.addr, &head).await.status, 503, "{head}");
        let before = raw.connections();
        assert_eq!(request(front.addr, &head).await.status, 503, "{head}");
        assert_eq!(raw.connections(), before);
        write(&dir.path().join("upstream"), "\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_secret_is_noticed_by_nobody() {
    let tiers = Tiers::start().await;
    let cookie = tiers.sign_in().await;
    let steps = [
        ("inner", "between\nlater\n"),
        ("upstream", "later\nbetween\n"),
        ("upstream", "later\n"),
        ("inner", "later\n"),
    ];
    for (of, secrets) in steps {
        tiers.write_secret(of, secrets);
        for _ in 0..3 {
            let head = format!("GET /api/auth/session\nCookie: {cookie}");
            let response = tiers.ask(&head).await;
            assert_eq!(response.json()["authenticated"], true, "{of}: {secrets}");
        }
    }
    let page = format!("GET /\n{PAGE}");
    assert_eq!(tiers.ask_inner(&page, "between").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_what_is_no_dispatcher_or_is_this_one() {
    let dir = TempDir::new().expect("a temporary directory");
    let options = StandinOptions::new(dir.path().join("t3"));
    let standin = Standin::start(options).await.expect("a free port");
    let to_t3 = front(dir.path(), standin.addr().port(), &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let own_port = listener.local_addr().expect("bound").port();
    let own_dir = TempDir::new().expect("a temporary directory");
    let config = front_config(own_dir.path(), own_port, &[]);
    let to_itself = Dispatcher::on(listener, config).await;
    for (front, says) in [
        (&to_t3, "it is starting"),
        (&to_itself, "is this dispatcher itself"),
    ] {
        let response = request(front.addr, &format!("GET /api/x\n{ADA}")).await;
        assert_eq!(response.status, 503);
        assert!(response.text().contains(says), "{}", response.text());
    }
    let asked = standin.requests();
    assert!(
        asked.iter().all(|seen| seen.target == b"/healthz"),
        "{asked:?}"
    );
    assert!(!asked.is_empty());
}

/// The code of a close frame of a server (RFC 6455 §5.5.1).
async fn close_code(client: &mut Client) -> u16 {
    let bytes = tokio::time::timeout(PATIENCE, client.read_at_least(4)).await;
    let bytes = bytes.expect("a close in time");
    assert_eq!(bytes[0], 0x88, "{}", bytes.escape_ascii());
    u16::from_be_bytes([bytes[2], bytes[3]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_of_either_closes_a_socket_through_both() {
    for of_inner in [true, false] {
        let mut tiers = Tiers::start().await;
        let cookie = tiers.sign_in().await;
        let mut client = Client::connect(tiers.fronts[0].addr).await;
        client
            .send_head(&format!("GET /ws\nCookie: {cookie}\n{ADA}\n{HANDSHAKE}"))
            .await;
        assert_eq!(client.head().await.expect("a response").status, 101);
        match of_inner {
            true => tiers.inner.begin_drain(),
            false => tiers.fronts[0].begin_drain(),
        }
        assert_eq!(
            close_code(&mut client).await,
            1001,
            "of the inner one: {of_inner}"
        );
    }
}
