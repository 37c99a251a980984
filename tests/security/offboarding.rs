//! Whoever is let in no more loses open tunnels and sessions; nobody else does.

use std::path::Path;
use std::time::Duration;

use t3_dispatcher::access::session_label::device_label;
use tokio::time::timeout;

use crate::common::{Client, HANDSHAKE, PATIENCE, World, request};
use crate::harness::{HEADER, assert_paired, each, load, until};
use crate::revoked_session::assert_alive;

/// How soon a tunnel has ended: many checks of sessions, of which production makes one in 15 s.
const SOON: Duration = Duration::from_secs(5);

const CHECK: [&str; 2] = ["--session-check", "300ms"];

const GROUPS: [&str; 4] = ["--groups-header", "X-Groups", "--allowed-groups", "dev"];

/// A person with a session that the dispatcher made, and a tunnel.
struct Guest {
    fields: String,
    cookie: String,
    tunnel: Client,
}

impl Guest {
    async fn enter(world: &World, fields: &str) -> Self {
        let fields = format!("X-authentik-username: {fields}\n");
        let paired = load(world.addr(), &fields).await;
        assert_paired(&paired, true, &fields);
        let cookie = paired.cookie();
        let mut tunnel = Client::connect(world.addr()).await;
        let head = format!("GET /ws\n{HANDSHAKE}\n{fields}Cookie: {cookie}");
        tunnel.send_head(&head).await;
        assert_eq!(tunnel.head().await.expect("a response").status, 101);
        Self {
            fields,
            cookie,
            tunnel,
        }
    }

    async fn assert_in(&mut self, world: &World) {
        assert_alive(&mut self.tunnel).await;
        assert!(is_session(world, &self.cookie).await, "{}", self.fields);
    }

    /// Its tunnel is closed by 1008, and its session is dead at t3.
    async fn assert_out(&mut self, world: &World) {
        let end = timeout(SOON, self.tunnel.rest()).await;
        let end = end.expect("closed soon after");
        assert!(end.ends_with(&[0x88, 2, 0x03, 0xf0]), "1008: {end:02x?}");
        assert_dies(world, &self.cookie).await;
    }
}

async fn is_session(world: &World, cookie: &str) -> bool {
    let head = format!("GET /api/auth/session\nCookie: {cookie}");
    let state = request(world.standin.addr(), &head).await.json();
    state["authenticated"].as_bool().expect("a verdict")
}

async fn assert_dies(world: &World, cookie: &str) {
    let dies = async { while is_session(world, cookie).await {} };
    let dies = timeout(PATIENCE, dies).await;
    dies.expect("the session is revoked");
}

async fn assert_counted(world: &World, cause: &str, times: f64) {
    let series = format!("offboarded_total{{cause=\"{cause}\"}}");
    let counted = async { while world.metrics().await.get(&series) < times {} };
    timeout(PATIENCE, counted).await.expect("it is counted");
    assert_eq!(world.metrics().await.get(&series), times);
}

/// A start asks whose sessions there are, who of them is let in no more, and which are of earlier starts: on a busy
/// machine as late as the first people come.
const LISTS_OF_A_START: usize = 3;

/// How often t3 was asked for all of its sessions.
fn lists(world: &World) -> usize {
    let requests = world.standin.requests();
    let is_list = |target: &[u8]| target == b"/api/auth/clients";
    requests.iter().filter(|seen| is_list(&seen.target)).count()
}

fn write(file: &Path, users: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, users).expect("writable");
    std::fs::rename(&new, file).expect("writable");
}

async fn with_file(file: &Path, further: &[&str]) -> World {
    let path = ["--allowed-users-file", file.to_str().expect("a UTF-8 path")];
    let args = [&HEADER[..], &CHECK, &path, further].concat();
    let soon = Duration::from_millis(50);
    World::timed(&args, |timing| timing.file_reread = soon).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_disappears_from_the_list_in_a_file_is_out_without_a_request() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    write(&file, "ada\neve\n@d.test\nbob@h.test\n");
    let domains = ["--identity-domains", "h.test"];
    let world = with_file(&file, &domains).await;
    let mut eve = Guest::enter(&world, "eve").await;
    let mut second = Guest::enter(&world, "eve\nUser-Agent: another").await;
    let mut of_domain = Guest::enter(&world, "x@d.test").await;
    let mut others = [
        Guest::enter(&world, "ada").await,
        // With a name that loses its domain.
        Guest::enter(&world, "bob@h.test").await,
    ];
    let by_hand = world.standin.issue_browser_session("eve");
    let by_hand = format!("t3_session={}", by_hand.expect("writable"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for guest in [&mut eve, &mut second, &mut of_domain] {
        guest.assert_in(&world).await;
    }
    write(&file, "ada\nbob@h.test\n");
    for guest in [&mut eve, &mut second, &mut of_domain] {
        guest.assert_out(&world).await;
    }
    for guest in &mut others {
        guest.assert_in(&world).await;
    }
    assert!(is_session(&world, &by_hand).await, "of nobody's label");
    assert_counted(&world, "users", 2.0).await;
    assert_eq!(load(world.addr(), &eve.fields).await.status, 403);
    // Let in again, she is paired anew.
    write(&file, "ada\nbob@h.test\neve\n");
    let again = async { while load(world.addr(), &eve.fields).await.status == 403 {} };
    timeout(PATIENCE, again).await.expect("she is let in");
    let mut eve = Guest::enter(&world, "eve").await;
    eve.assert_in(&world).await;
    write(&file, "ada\nbob@h.test\n");
    eve.assert_out(&world).await;
    assert_counted(&world, "users", 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_group_any_more_is_out_at_the_next_request() {
    let heads = [
        format!("GET /\n{}", crate::common::PAGE),
        "GET /standin/1k\nSec-Fetch-Dest: empty".to_owned(),
        format!("GET /ws\n{HANDSHAKE}"),
        "POST /api/x\nContent-Length: 0".to_owned(),
    ];
    each(heads, |head| async move {
        let world = World::with(&[&HEADER[..], &GROUPS].concat()).await;
        let mut ada = Guest::enter(&world, "ada\nX-Groups: dev").await;
        let mut eve = Guest::enter(&world, "eve\nX-Groups: dev").await;
        for guest in [&mut ada, &mut eve] {
            guest.assert_in(&world).await;
        }
        let denied = format!("{head}\nX-authentik-username: eve\nX-Groups: users");
        let denied = format!("{denied}\nCookie: {}", eve.cookie);
        assert!(until(|| lists(&world) >= LISTS_OF_A_START).await);
        let before = lists(&world);
        for _ in 0..20 {
            assert_eq!(request(world.addr(), &denied).await.status, 403, "{head}");
        }
        eve.assert_out(&world).await;
        assert_counted(&world, "request", 1.0).await;
        // One of them looks after the sockets of the sessions that were revoked.
        assert!(lists(&world) <= before + 2, "not for each request");
        ada.assert_in(&world).await;
        let mut eve = Guest::enter(&world, "eve\nX-Groups: dev").await;
        eve.assert_in(&world).await;
        assert_eq!(request(world.addr(), &denied).await.status, 403, "{head}");
        eve.assert_out(&world).await;
        assert_counted(&world, "request", 2.0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_before_the_start_is_revoked_and_who_had_none_is_not_counted() {
    let world = World::with(&[&HEADER[..], &["--allowed-users", "ada"]].concat()).await;
    let issue = |label: &str| world.standin.issue_browser_session(label);
    let cookies = ["eve@sso", "eve@sso", "eve", "even@sso", "ada@sso"]
        .map(|label| format!("t3_session={}", issue(label).expect("writable")));
    for user in ["eve", "nobody-of-before"] {
        let fields = format!("X-authentik-username: {user}\n");
        assert_eq!(load(world.addr(), &fields).await.status, 403);
    }
    for cookie in &cookies[..2] {
        assert_dies(&world, cookie).await;
    }
    assert!(until(|| lists(&world) > 0).await);
    assert_counted(&world, "request", 1.0).await;
    for cookie in &cookies[2..] {
        assert!(is_session(&world, cookie).await, "another label");
    }
}

/// Tokens of devices: two of eve's, and what others' that look like hers are called.
fn devices(world: &World) -> (Vec<String>, Vec<String>) {
    let own = ["Pixel 9", "bob@sso"].map(|name| device_label("eve", name));
    let mut others: Vec<_> = ["even", "eve@sso x", "ada", "Eve"]
        .map(|identity| device_label(identity, "eve's phone"))
        .into();
    others.extend(["eve", "eve@ssophone", "my eve@sso.test"].map(str::to_owned));
    let issue = |label: &String| {
        let token = world.standin.issue_administrative_session(label);
        token.expect("writable")
    };
    (
        own.iter().map(issue).collect(),
        others.iter().map(issue).collect(),
    )
}

async fn is_token(world: &World, token: &str) -> bool {
    let head = format!("GET /api/auth/session\nAuthorization: Bearer {token}");
    let state = request(world.standin.addr(), &head).await.json();
    state["authenticated"].as_bool().expect("a verdict")
}

async fn assert_devices_out(world: &World, (own, others): &(Vec<String>, Vec<String>)) {
    for token in own {
        let dies = async { while is_token(world, token).await {} };
        timeout(PATIENCE, dies).await.expect("it is revoked");
    }
    let counted = async {
        let series = "devices_total{event=\"revoked\"}";
        while world.metrics().await.get(series) < own.len() as f64 {}
    };
    timeout(PATIENCE, counted).await.expect("each is counted");
    for token in others {
        assert!(is_token(world, token).await, "another's, or made by hand");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_no_more_loses_the_devices_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    let others = "ada\neven\neve@sso x\nEve\n";
    write(&file, &format!("{others}eve\n"));
    let world = with_file(&file, &[]).await;
    let mut eve = Guest::enter(&world, "eve").await;
    let held = devices(&world);
    write(&file, others);
    eve.assert_out(&world).await;
    assert_devices_out(&world, &held).await;

    let world = World::with(&[&HEADER[..], &GROUPS].concat()).await;
    let held = devices(&world);
    let denied = "X-authentik-username: eve\nX-Groups: users\n";
    assert_eq!(load(world.addr(), denied).await.status, 403);
    assert_devices_out(&world, &held).await;
}

/// Somebody without an identity is no person of that name, though tunnels are counted by the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_of_nobody_is_not_that_of_who_is_called_like_the_address() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("users");
    write(&file, "ada\n");
    let world = with_file(&file, &[]).await;
    let token = world.standin.issue_administrative_session("app");
    let mut app = Client::connect(world.addr()).await;
    let head = format!(
        "GET /ws\n{HANDSHAKE}\nAuthorization: Bearer {}",
        token.expect("writable")
    );
    app.send_head(&head).await;
    assert_eq!(app.head().await.expect("a response").status, 101);
    let called = "X-authentik-username: 127.0.0.1\n";
    assert_eq!(load(world.addr(), called).await.status, 403);
    write(&file, "bob\n");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_alive(&mut app).await;
}
