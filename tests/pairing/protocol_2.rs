//! The flows of pairing with a t3 of protocol 2, and with September's: cookie names, `/ws`, a session that
//! is replaced, a start that holds requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use t3_standin::edition::Edition;
use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::http::Response;
use crate::common::{
    Client, Dispatcher, HANDSHAKE, PAGE, PATIENCE, Scrape, World, config, request,
};

const HEADER: [&str; 2] = ["--identity-header", "X-User"];

/// What protocol 2's own page asks for.
const WS: &str = "/ws?clientSurface=web&connectionMethod=direct&orchestrationProtocol=2";

/// The fields of a fetch by the page's own script.
const FETCH: &str = "Sec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty\nAccept: */*";

async fn load(to: SocketAddr, fields: &str) -> Response {
    request(to, &format!("GET /t/1\n{fields}{PAGE}")).await
}

/// The head of the response to an upgrade by the page of `to`, and the connection.
async fn upgrade(to: SocketAddr, target: &str, fields: &str) -> (Response, Client) {
    let mut client = Client::connect(to).await;
    let own = format!("Host: {to}\nOrigin: http://{to}\n");
    client
        .send_head(&format!("GET {target}\n{own}{fields}{HANDSHAKE}"))
        .await;
    (client.head().await.expect("a response"), client)
}

/// Does t3 accept `cookie`?
async fn is_alive(standin: &Standin, cookie: &str) -> bool {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, standin.addr().port()));
    let head = format!("GET /api/auth/session\nCookie: {cookie}");
    request(to, &head).await.json()["authenticated"] == true
}

#[tokio::test]
async fn a_browser_is_paired_and_an_open_tab_healed_whatever_the_cookie_is_called() {
    for edition in [Edition::June, Edition::September, Edition::Protocol2] {
        let world = World::timed_of(edition).await;
        let (to, is_second) = (world.addr(), edition == Edition::Protocol2);
        let paired = load(to, "").await;
        assert_eq!(paired.status, 302, "{edition:?}");
        let cookie = paired.cookie();
        let is_hashed = edition != Edition::June;
        assert_eq!(cookie.starts_with("t3_session_"), is_hashed, "{cookie}");
        let with = format!("Cookie: a=1; {cookie}\n");
        assert_eq!(load(to, &with).await.status, 200, "{edition:?}");
        assert_eq!(upgrade(to, WS, &with).await.0.status, 101, "{edition:?}");
        let bare = upgrade(to, "/ws", &with).await.0;
        assert_eq!(
            bare.status,
            if is_second { 426 } else { 101 },
            "{edition:?}"
        );
        // Both ways of healing, by a browser of another name each.
        world.standin.wipe_sessions();
        let with = format!("{with}User-Agent: healed\n");
        let (healed, _open) = upgrade(to, WS, &with).await;
        assert_eq!(healed.status, 101, "{edition:?}");
        assert!(is_alive(&world.standin, &healed.cookie()).await);
        let own = format!("Host: {to}\nOrigin: http://{to}\n{with}");
        let state = request(to, &format!("GET /api/auth/session\n{own}{FETCH}")).await;
        assert_eq!(state.json()["authenticated"], true, "{edition:?}");
        assert!(is_alive(&world.standin, &state.cookie()).await);
        let told = format!("upstream_info{{protocol=\"{}\"", 1 + u8::from(is_second));
        assert_eq!(world.metrics().await.sum(&told), 1.0, "{edition:?}");
    }
}

impl World {
    /// One that asks t3 each time whether a session lives.
    async fn timed_of(edition: Edition) -> Self {
        World::of_timed(edition, &[], |timing| timing.session_alive = Duration::ZERO).await
    }
}

#[tokio::test]
async fn a_session_that_was_made_for_another_person_ends_where_the_browser_gets_its_own() {
    let world = World::of(Edition::Protocol2, &HEADER).await;
    let sign_in = async |fields: &str| {
        let response = load(world.addr(), fields).await;
        assert_eq!(response.status, 302, "{fields}");
        response.cookie()
    };
    let ada = sign_in("X-User: ada\n").await;
    let elsewhere = sign_in("X-User: ada\nUser-Agent: a phone\n").await;
    let bob = sign_in(&format!("X-User: bob\nCookie: a=1; {ada}\n")).await;
    assert!(
        !is_alive(&world.standin, &ada).await,
        "replaced in this browser"
    );
    for living in [&elsewhere, &bob] {
        assert!(is_alive(&world.standin, living).await);
    }
    // Of two cookies the own one lives on, beside the other person's and beside a dead one.
    for other in [&elsewhere, &ada] {
        let both = format!("X-User: bob\nCookie: {other}; {bob}\n");
        assert_eq!(load(world.addr(), &both).await.status, 200);
        assert!(is_alive(&world.standin, &bob).await);
    }
    assert!(is_alive(&world.standin, &elsewhere).await);
}

/// A t3 of protocol 2 that can be reached from elsewhere, which takes the cookie of before too, and a
/// dispatcher in front of it.
async fn remote(dir: &std::path::Path, args: &[&str]) -> (Standin, Dispatcher) {
    let mut options = StandinOptions::of(Edition::Protocol2, dir.join("t3"));
    options.listen.set_ip(Ipv4Addr::UNSPECIFIED.into());
    let standin = Standin::start(options).await.expect("a free port");
    let upstream = (Ipv4Addr::LOCALHOST, standin.addr().port()).into();
    let dispatcher = Dispatcher::start(config(upstream, dir, args)).await;
    (standin, dispatcher)
}

#[tokio::test]
async fn a_session_by_the_cookie_of_before_gets_the_new_one_and_its_socket_ends_with_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let args = [
        "--session-check",
        "100ms",
        "--trusted-proxies",
        "127.0.0.0/8",
    ];
    let (standin, dispatcher) = remote(dir.path(), &args).await;
    let to = dispatcher.addr;
    let token = standin.issue_browser_session("by hand").expect("writable");
    let old = format!("Cookie: t3_session={token}\n");
    let https = format!("X-Forwarded-Proto: https\n{old}");
    let state = request(to, &format!("GET /api/auth/session\n{https}{FETCH}")).await;
    assert_eq!(state.json()["authenticated"], true, "{}", state.text());
    let line = state.header("set-cookie");
    assert!(
        line.contains(&format!("={token};")) && line.ends_with("; Secure"),
        "{line}"
    );
    assert_eq!(
        state.cookie().find('='),
        Some("t3_session_".len() + 12),
        "{line}"
    );
    let (switched, mut open) = upgrade(to, WS, &old).await;
    assert_eq!(switched.status, 101);
    assert_eq!(switched.header("set-cookie"), "");
    standin.wipe_sessions();
    // The tunnel ends; a socket that is not asked about would stay.
    tokio::time::timeout(PATIENCE, open.rest())
        .await
        .expect("its session is dead");
}

/// Silent for 300 ms, then it holds requests for longer than a probe waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_holds_requests_is_a_start_until_the_descriptor_is_answered() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = StandinOptions::of(Edition::Protocol2, dir.path().join("t3"));
    options.faults.silent_start_ms = 300;
    options.faults.held_start_ms = 2500;
    let standin = Standin::start(options).await.expect("a free port");
    let begun = Instant::now();
    let dispatcher = Dispatcher::start(config(standin.addr(), dir.path(), &[])).await;
    let to = dispatcher.addr;
    let page = tokio::spawn(async move { load(to, "").await });
    let socket = tokio::spawn(async move { upgrade(to, WS, "User-Agent: a tab\n").await.0 });
    let starting = "upstream_state{state=\"starting\"}";
    Scrape::until(dispatcher.metrics, |scrape| scrape.get(starting) == 1.0).await;
    // A script is told at once, and what is probed from outside, too.
    for (head, word) in [
        (format!("GET /api/projects\n{FETCH}"), "it is starting"),
        ("GET /readyz".to_owned(), "starting"),
    ] {
        let asked = Instant::now();
        let told = request(to, &head).await;
        assert_eq!(told.status, 503, "{head}");
        assert!(told.text().contains(word), "{}", told.text());
        assert!(asked.elapsed() < Duration::from_millis(500), "{head}");
    }
    assert!(
        begun.elapsed() < Duration::from_millis(2700),
        "while t3 holds"
    );
    let page = page.await.expect("no panic");
    assert_eq!(
        (page.status, socket.await.expect("no panic").status),
        (302, 101)
    );
    let waited = begun.elapsed();
    assert!((2700..5000).contains(&waited.as_millis()), "{waited:?}");
    let after = Scrape::of(dispatcher.metrics).await;
    let changes = |state| {
        after.get(&format!(
            "upstream_state_changes_total{{state=\"{state}\"}}"
        ))
    };
    assert_eq!(["down", "starting", "up"].map(changes), [0.0, 1.0, 1.0]);
    assert_eq!(
        after.sum("upstream_failures_total"),
        0.0,
        "nothing was lost in it"
    );
}

#[tokio::test]
async fn a_person_who_waits_longer_sees_that_t3_is_starting() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = StandinOptions::of(Edition::Protocol2, dir.path().join("t3"));
    options.faults.held_start_ms = 60_000;
    let standin = Standin::start(options).await.expect("a free port");
    let mut config = config(standin.addr(), dir.path(), &[]);
    config.timing.page_patience = Duration::from_millis(1500);
    config.timing.upgrade_patience = Duration::from_millis(1500);
    let dispatcher = Dispatcher::start(config).await;
    let page = load(dispatcher.addr, "").await;
    assert_eq!(page.status, 503);
    assert!(page.text().contains("it is starting"), "{}", page.text());
    let (refused, _) = upgrade(dispatcher.addr, WS, "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "1");
}
