//! `/dispatcher/activity`: who is in use, whose agents are at work, and what it costs to tell.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use t3_dispatcher::config::timing::Timing;

use crate::common::{Client, Edition, HANDSHAKE, PATIENCE, Scrape, World, request, websocket_of};

const PATH: &str = "GET /dispatcher/activity";

/// A thread of protocol 2 with `status`, and what it waits for.
fn thread(status: &str, waits_for: Value) -> Value {
    json!({ "id": status, "status": status, "pendingRuntimeRequest": waits_for })
}

/// A world of that edition whose t3 is up and has `threads`.
async fn world(edition: Edition, threads: Value) -> World {
    let world = World::of(edition, &[]).await;
    let is_up = |scrape: &Scrape| scrape.get("upstream_state{state=\"up\"}") == 1.0;
    Scrape::until(world.dispatcher.metrics, is_up).await;
    let threads = threads.to_string();
    world
        .standin
        .set_faults(|faults| faults.shell_threads = threads);
    world
}

/// The only t3 that is told of.
async fn only(metrics: SocketAddr) -> Value {
    let response = request(metrics, PATH).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    let mut told = response.json();
    assert_eq!(told["next"], Value::Null);
    let instances = told["instances"].as_array_mut().expect("a list");
    assert_eq!(instances.len(), 1);
    instances.remove(0)
}

async fn until(metrics: SocketAddr, holds: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let told = only(metrics).await;
        if holds(&told) {
            return told;
        }
        assert!(start.elapsed() < PATIENCE, "{told}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How often t3 was asked for `path`.
fn asked_for(world: &World, path: &str) -> usize {
    let seen = world.standin.requests();
    seen.iter()
        .filter(|seen| seen.target.starts_with(path.as_bytes()))
        .count()
}

#[tokio::test]
async fn a_turn_under_way_and_one_that_waits_for_a_person_are_counted() {
    let threads = json!([
        thread("running", Value::Null),
        thread(
            "waiting",
            json!({ "id": "x", "kind": "command", "createdAt": "now" })
        ),
        thread("completed", Value::Null),
    ]);
    let world = world(Edition::Protocol2, threads).await;
    let told = only(world.dispatcher.metrics).await;
    assert_eq!(told["turns_running"], 2, "{told}");
    assert_eq!(told["waiting_for_person"], 1, "{told}");
    assert_eq!(told["state"], "up");
    assert_eq!(told["tunnels"], 0);
    assert_eq!(told.get("users"), None, "nobody is named");
    let id = told["id"].as_str().expect("an id");
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[tokio::test]
async fn v0_0_42_tells_it_too() {
    let quiet = json!({
        "session": { "status": "starting" }, "hasPendingApprovals": false,
        "hasPendingUserInput": false, "hasActionableProposedPlan": false,
    });
    let world = world(Edition::September, json!([quiet])).await;
    let told = only(world.dispatcher.metrics).await;
    assert_eq!(told["turns_running"], 1, "{told}");
    assert_eq!(told["waiting_for_person"], 0, "{told}");
}

#[tokio::test]
async fn t3_is_asked_once_in_15_s_by_a_session_that_may_read_and_no_more() {
    let world = world(Edition::Protocol2, json!([])).await;
    let metrics = world.dispatcher.metrics;
    let (one, two) = tokio::join!(only(metrics), only(metrics));
    assert_eq!(one["turns_running"], 0, "{one}");
    assert_eq!(two["turns_running"], 0, "{two}");
    only(metrics).await;
    assert_eq!(asked_for(&world, "/api/orchestration/shell"), 1);
    assert_eq!(asked_for(&world, "/oauth/token"), 1);
    let seen = world.standin.requests();
    let shell = seen
        .iter()
        .find(|seen| seen.target.starts_with(b"/api/orchestration/shell"));
    let shell = shell.expect("it was asked");
    assert_eq!(shell.header("x-t3-orchestration-protocol"), Some(&b"2"[..]));
    let bearer = shell.header("authorization").expect("a session");
    let bearer = String::from_utf8_lossy(bearer);
    for (path, status) in [
        ("/api/orchestration/shell", 200),
        ("/api/auth/clients", 403),
    ] {
        let head = format!("GET {path}\nAuthorization: {bearer}\nX-T3-Orchestration-Protocol: 2");
        let response = request(world.standin.addr(), &head).await;
        assert_eq!(response.status, status, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_known_is_null() {
    for (edition, threads, body) in [
        (Edition::June, "[]", None),
        (Edition::Protocol2, r#"[{"status":"of next year"}]"#, None),
        (Edition::Protocol2, "[]", Some("<!doctype html>".to_owned())),
        (Edition::September, "[]", Some("x".repeat(5 * 1024 * 1024))),
    ] {
        let world = world(edition, json!([])).await;
        world.standin.set_faults(|faults| {
            faults.shell_threads = threads.to_owned();
            faults.shell_body = body;
        });
        let told = only(world.dispatcher.metrics).await;
        assert_eq!(told["turns_running"], Value::Null, "{told}");
        assert_eq!(told["waiting_for_person"], Value::Null, "{told}");
        assert_eq!(told["state"], "up");
    }
}

#[tokio::test]
async fn a_long_list_of_threads_is_read() {
    let mut thread = thread("running", Value::Null);
    thread["title"] = "x".repeat(600 * 1024).into();
    let world = world(Edition::Protocol2, json!([thread])).await;
    let told = only(world.dispatcher.metrics).await;
    assert_eq!(told["turns_running"], 1);
}

#[tokio::test]
async fn without_an_administrative_session_a_minted_credential_is_exchanged() {
    let world = World::of(Edition::Protocol2, &["--mint", "cli"]).await;
    until(world.dispatcher.metrics, |told| told["turns_running"] == 0).await;
    assert_eq!(asked_for(&world, "/api/auth/pairing-token"), 0);
    assert_eq!(asked_for(&world, "/oauth/token"), 1);
}

#[tokio::test]
async fn a_session_that_t3_has_lost_is_made_again() {
    let no_age = |timing: &mut Timing| timing.agent_turns = Duration::ZERO;
    let world = World::of_timed(Edition::Protocol2, &[], no_age).await;
    let metrics = world.dispatcher.metrics;
    until(metrics, |told| told["turns_running"] == 0).await;
    assert_eq!(asked_for(&world, "/oauth/token"), 1);
    world.standin.wipe_sessions();
    assert_eq!(only(metrics).await["turns_running"], 0);
    assert_eq!(asked_for(&world, "/oauth/token"), 2);
}

#[tokio::test]
async fn a_t3_that_is_not_up_is_told_of_at_once() {
    let world = world(Edition::Protocol2, json!([])).await;
    let World {
        standin,
        dispatcher,
        dir: _dir,
    } = world;
    standin.kill();
    assert!(request(dispatcher.addr, "GET /standin/1k").await.status >= 502);
    let told = until(dispatcher.metrics, |told| told["state"] == "down").await;
    assert_eq!(told["turns_running"], Value::Null);
    assert!(told["idle_since"].is_string(), "{told}");
}

#[tokio::test]
async fn a_tunnel_holds_it_in_use_until_its_end_and_the_dispatcher_s_own_calls_do_not() {
    let world = world(Edition::Protocol2, json!([])).await;
    let (metrics, addr) = (world.dispatcher.metrics, world.addr());
    let before = only(metrics).await;
    let idle_since = before["idle_since"].as_str().expect("idle").to_owned();
    let mut client = Client::connect(addr).await;
    let target = websocket_of(Edition::Protocol2);
    assert!(target.starts_with("/ws"));
    client
        .send_head(&format!("GET /standin/ws-raw\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a head").status, 101);
    let told = until(metrics, |told| told["tunnels"] == 1).await;
    assert_eq!(told["idle_since"], Value::Null, "{told}");
    let scrape = Scrape::until(metrics, |scrape| scrape.get("instances_in_use") == 1.0).await;
    assert_eq!(scrape.get("instances"), 1.0);
    // Past the second in which it was idle last.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    drop(client);
    let told = until(metrics, |told| {
        told["tunnels"] == 0 && !told["idle_since"].is_null()
    })
    .await;
    let later = told["idle_since"].as_str().expect("idle").to_owned();
    assert!(later > idle_since, "{later} and {idle_since}");
    Scrape::until(metrics, |scrape| scrape.get("instances_in_use") == 0.0).await;
}

/// On the fast path, and by hyper's way with its body.
#[tokio::test]
async fn a_request_holds_it_in_use_until_its_response_has_ended() {
    for fast_path in ["on", "off"] {
        let world = World::of(Edition::Protocol2, &["--fast-path", fast_path]).await;
        let metrics = world.dispatcher.metrics;
        until(metrics, |told| told["state"] == "up").await;
        until(metrics, |told| !told["idle_since"].is_null()).await;
        request(world.addr(), "GET /healthz").await;
        let mut client = Client::connect(world.addr()).await;
        client.send_head("GET /standin/bytes/50000000").await;
        assert_eq!(client.head().await.expect("a head").status, 200);
        // Nobody reads the rest: it goes on.
        let told = only(metrics).await;
        assert_eq!(told["idle_since"], Value::Null, "{fast_path}");
        drop(client);
        until(metrics, |told| !told["idle_since"].is_null()).await;
    }
}

#[tokio::test]
async fn only_the_metrics_listener_tells_it() {
    let world = world(Edition::Protocol2, json!([])).await;
    let metrics = world.dispatcher.metrics;
    for (ask, status) in [
        ("HEAD /dispatcher/activity", 200),
        ("POST /dispatcher/activity", 405),
        ("GET /dispatcher/activity/", 404),
        ("GET /dispatcher", 404),
    ] {
        assert_eq!(request(metrics, ask).await.status, status, "{ask}");
    }
    let behind_all = request(metrics, "GET /dispatcher/activity?after=g")
        .await
        .json();
    assert_eq!(behind_all, json!({ "instances": [], "next": null }));
    let public = request(world.addr(), PATH).await;
    assert!(!public.text().contains("turns_running"));
}
