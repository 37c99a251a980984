//! A session is of the person it was made for, also after a restart; of several the living one counts.

use std::net::SocketAddr;

use data_encoding::BASE64URL_NOPAD;
use t3_dispatcher::access::session_label::device_label;

use crate::common::http::Response;
use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, Dispatcher, HANDSHAKE, PAGE, World, config, request};
use crate::harness::{ADA, HEADER, assert_paired, load, seen_last};
use crate::resource_use::MOST_KIB;

const BOB: &str = "X-authentik-username: bob\n";

/// The fields of a fetch by the page's own script.
const FETCH: &str = "Sec-Fetch-Site: same-origin\nSec-Fetch-Dest: empty\nAccept: */*";

/// A field that has no effect, but has the request take hyper's way.
const BY_HYPER: &str = "Connection: keep-alive, x-nothing\n";

/// The session cookie that a page load as `person` gets, as `name=value`.
async fn sign_in(to: SocketAddr, person: &str) -> String {
    let response = load(to, person).await;
    assert_paired(&response, true, person);
    response.cookie()
}

async fn load_with(to: SocketAddr, person: &str, cookie: &str) -> Response {
    let head = format!("GET /t/1\n{person}Cookie: a=1; {cookie}; b=2\n{PAGE}");
    request(to, &head).await
}

/// The cookies that t3 sees of a fetch as `person` with `cookie`.
async fn fetched(world: &World, to: SocketAddr, fields: &str, cookie: &str) -> Vec<String> {
    let head = format!("GET /api/standin/head\n{fields}Cookie: a=1; {cookie}; b=2\n{FETCH}");
    assert_eq!(request(to, &head).await.status, 200);
    seen_last(world, "cookie")
}

/// What `to` makes of ada's session in bob's requests, and in her own.
async fn assert_bound(world: &World, to: SocketAddr, ada: &str) {
    for by_hyper in ["", BY_HYPER, ""] {
        let bob = fetched(world, to, &format!("{BOB}{by_hyper}"), ada).await;
        assert_eq!(bob, ["a=1; b=2"], "{by_hyper}");
        let own = fetched(world, to, &format!("{ADA}{by_hyper}"), ada).await;
        assert_eq!(own, [format!("a=1; {ada}; b=2")], "{by_hyper}");
    }
    assert_paired(&load_with(to, ADA, ada).await, false, "ada with her own");
    let page = load_with(to, BOB, ada).await;
    assert_paired(&page, true, "bob with ada's");
    let bob = page.cookie();
    assert_ne!(bob, ada);
    assert_paired(&load_with(to, BOB, &bob).await, false, "bob with his own");
    assert_paired(&load_with(to, ADA, &bob).await, true, "ada with bob's");
    let (_, value) = ada.split_once('=').expect("a cookie");
    assert_eq!(&value[..1], "e", "of base64url JSON");
    let encoded = format!("%65{}", &value[1..]);
    for spelling in [format!("\"{value}\""), encoded] {
        let cookie = format!("t3_session={spelling}");
        let seen = fetched(world, to, BOB, &cookie).await;
        assert_eq!(seen, ["a=1; b=2"], "{cookie}");
    }
}

#[tokio::test]
async fn row_77_a_session_counts_only_for_the_person_it_was_made_for() {
    let world = World::with(&HEADER).await;
    let ada = sign_in(world.addr(), ADA).await;
    assert_bound(&world, world.addr(), &ada).await;
}

#[tokio::test]
async fn row_77_whose_session_it_is_is_known_after_a_restart() {
    let world = World::with(&HEADER).await;
    let ada = sign_in(world.addr(), ADA).await;
    let config = config(world.standin.addr(), world.dir.path(), &HEADER);
    let another = Dispatcher::start(config).await;
    assert_bound(&world, another.addr, &ada).await;
}

#[tokio::test]
async fn row_77_a_tab_of_another_person_is_healed_with_a_session_of_its_own() {
    let world = World::with(&HEADER).await;
    let host = format!("Host: {}\n", world.addr());
    let ada = sign_in(world.addr(), ADA).await;
    let head = format!("GET /api/auth/session\n{host}{BOB}Cookie: {ada}\n{FETCH}");
    let state = request(world.addr(), &head).await;
    assert_eq!(state.json()["authenticated"], true);
    assert_ne!(state.cookie(), ada);

    let ada = sign_in(world.addr(), "X-authentik-username: ada lovelace\n").await;
    let origin = format!("Origin: http://{}\n", world.addr());
    let head = format!("GET /ws\n{host}{BOB}{origin}Cookie: {ada}\n{HANDSHAKE}");
    let mut client = Client::connect(world.addr()).await;
    client.send_head(&head).await;
    let switched = client.head().await.expect("a response");
    assert_eq!(switched.status, 101);
    assert!(!switched.cookie().is_empty() && switched.cookie() != ada);
}

#[tokio::test]
async fn row_77_a_session_that_was_made_by_hand_is_left_alone() {
    let world = World::with(&HEADER).await;
    for label in ["a phone", "bob", "ada@sso.test"] {
        let session = world.standin.issue_browser_session(label);
        let session = format!("t3_session={}", session.expect("writable"));
        let response = load_with(world.addr(), ADA, &session).await;
        assert_paired(&response, false, label);
        let seen = fetched(&world, world.addr(), ADA, &session).await;
        assert_eq!(seen, [format!("a=1; {session}; b=2")]);
    }
}

#[tokio::test]
async fn row_77_a_session_of_a_device_is_of_its_person() {
    let world = World::with(&HEADER).await;
    for (label, is_hers) in [
        (device_label("ada", "Pixel 9"), true),
        (device_label("ada", "bob@sso"), true),
        (device_label("bob", "ada@sso"), false),
        (device_label("ada@sso x", "Pixel 9"), false),
    ] {
        let session = world.standin.issue_browser_session(&label);
        let session = format!("t3_session={}", session.expect("writable"));
        let seen = fetched(&world, world.addr(), ADA, &session).await;
        let is_passed = seen == [format!("a=1; {session}; b=2")];
        assert_eq!(is_passed, is_hers, "{label}: {seen:?}");
        let response = load_with(world.addr(), ADA, &session).await;
        assert_paired(&response, !is_hers, &label);
    }
}

#[tokio::test]
async fn row_77_without_t3_s_list_nobody_is_locked_out() {
    let world = World::with(&HEADER).await;
    let ada = sign_in(world.addr(), ADA).await;
    // It finds no t3 CLI, so that it has no session of its own on t3.
    let unbound = Dispatcher::in_front_of(world.standin.addr(), &HEADER).await;
    let seen = fetched(&world, unbound.addr, ADA, &ada).await;
    assert_eq!(seen, [format!("a=1; {ada}; b=2")]);
    assert_paired(&load_with(unbound.addr, ADA, &ada).await, false, "ada");
}

/// What is remembered of sessions is bounded, whatever a client sends as one.
#[tokio::test]
async fn long_session_cookies_cost_little_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    let process = Process::start(command.args(HEADER));
    let long = "x".repeat(70_000);
    for number in 0..1300 {
        let claims = format!(r#"{{"sid":"{number}","sub":"{long}"}}"#);
        let value = match number % 2 {
            0 => format!("{number}{long}{}", &long[..40_000]),
            _ => format!("{}.x", BASE64URL_NOPAD.encode(claims.as_bytes())),
        };
        let head = format!("GET /api/standin/head\n{ADA}Cookie: t3_session={value}\n{FETCH}");
        assert_eq!(request(process.addr, &head).await.status, 200, "{number}");
    }
    let resident = process.resident();
    println!("{resident} KiB resident");
    assert!(resident < MOST_KIB, "{resident} KiB resident");
    drop(standin);
}

#[tokio::test]
async fn row_78_of_several_sessions_the_living_one_counts_and_alone_goes_on() {
    for identity in [&HEADER[..], &[]] {
        let world = World::with(identity).await;
        let person = if identity.is_empty() { "" } else { ADA };
        let living = sign_in(world.addr(), person).await;
        for cookies in [
            format!("t3_session=dead; {living}"),
            format!("{living}; t3_session=dead"),
            format!("t3_session=; {living}"),
            format!("t3_session=x.y; t3_session=dead; {living}; t3_session=d"),
            format!("t3_session=dead\nCookie: {living}"),
        ] {
            let response = load_with(world.addr(), person, &cookies).await;
            assert_paired(&response, false, &cookies);
            for by_hyper in ["", BY_HYPER] {
                let fields = format!("{person}{by_hyper}");
                let seen = fetched(&world, world.addr(), &fields, &cookies).await;
                let seen = seen.join("; ");
                assert_eq!(seen.matches("t3_session=").count(), 1, "{cookies}: {seen}");
                assert!(seen.contains(&living), "{cookies}: {seen}");
            }
            let head = format!("GET /ws\n{person}Cookie: {cookies}\n{HANDSHAKE}");
            let mut client = Client::connect(world.addr()).await;
            client.send_head(&head).await;
            let status = client.head().await.expect("a response").status;
            assert_eq!(status, 101, "{cookies}");
        }
        let dead = "t3_session=dead; t3_session=x.y";
        let response = load_with(world.addr(), person, dead).await;
        assert_paired(&response, true, dead);
    }
}
