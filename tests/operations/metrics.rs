//! `/metrics` on its own listener: what is counted, what a scrape costs, who may scrape.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::process::{Process, command, output};
use crate::common::{Client, HANDSHAKE, PAGE, PATIENCE, Scrape, World, request};

fn requests(scrape: &Scrape, kind: &str, class: &str) -> f64 {
    scrape.get(&format!(
        "requests_total{{class=\"{class}\",kind=\"{kind}\"}}"
    ))
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_class_whatever_a_client_sends() {
    let world = World::start().await;
    let before = world.metrics().await;
    let addr = world.addr();
    request(addr, "GET /healthz").await;
    request(addr, "GET /standin/1k").await;
    request(addr, "GET /assets/none.js").await;
    request(addr, &format!("GET /\n{PAGE}")).await;
    request(
        addr,
        &format!("GET /ws\n{HANDSHAKE}\nOrigin: http://elsewhere"),
    )
    .await;
    request(addr, "TRACE /").await;
    request(addr, "BREW /t/%F0%9F\nX-Request-Id: a b").await;
    let after = world.metrics().await;
    for (kind, class, count) in [
        ("probe", "2xx", 1.0),
        ("fetch", "2xx", 1.0),
        ("asset", "2xx", 1.0),
        ("page", "3xx", 1.0),
        ("upgrade", "4xx", 1.0),
        ("fetch", "4xx", 1.0),
        ("invalid", "4xx", 1.0),
    ] {
        assert_eq!(requests(&after, kind, class), count, "{kind} {class}");
    }
    assert_eq!(after.sum("requests_total"), 7.0);
    assert_eq!(
        own_names(&before),
        own_names(&after),
        "series only ever count"
    );
    let version = env!("CARGO_PKG_VERSION");
    let build_info = format!("build_info{{version=\"{version}\"}}");
    assert_eq!(after.get(&build_info), 1.0);
}

/// The names of all series but the one that t3 names.
fn own_names(scrape: &Scrape) -> Vec<&str> {
    let mut names = scrape.names();
    names.retain(|name| !name.contains("upstream_info"));
    names
}

#[tokio::test]
async fn saved_and_stored_bytes_of_files_are_counted() {
    let world = World::start().await;
    let addr = world.addr();
    let whole = request(addr, "GET /").await;
    let before = world.metrics().await;
    let head = format!("GET /\nIf-None-Match: {}", whole.header("etag"));
    assert_eq!(request(addr, &head).await.status, 304);
    let coded = request(addr, "GET /\nAccept-Encoding: gzip").await;
    assert_eq!(coded.header("content-encoding"), "gzip");
    let after = world.metrics().await;
    let saved = |scrape: &Scrape| scrape.get("asset_saved_bytes_total");
    let expected = whole.body.len() + (whole.body.len() - coded.body.len());
    assert_eq!(saved(&after) - saved(&before), expected as f64);
    assert!(after.get("asset_store_bytes") > coded.body.len() as f64);
}

#[tokio::test]
async fn a_duration_is_split_into_t3_s_part_and_the_dispatcher_s() {
    let world = World::start().await;
    request(world.addr(), "GET /standin/1k").await;
    world
        .standin
        .set_faults(|faults| faults.answer_delay_ms = 200);
    request(world.addr(), "GET /standin/1k").await;
    let scrape = world.metrics().await;
    let sum = |name: &str| scrape.get(&format!("request_{name}_seconds_sum{{kind=\"fetch\"}}"));
    let (took, waited, own) = (
        sum("duration"),
        sum("upstream_duration"),
        sum("dispatcher_duration"),
    );
    assert!(waited >= 0.2, "{waited}");
    assert!((took - waited - own).abs() < 1e-6, "{took} {waited} {own}");
    assert!(own < waited, "{own} of {took}");
}

#[tokio::test]
async fn pairings_are_counted_by_way_and_failures_by_cause() {
    let world = World::with(&["--identity-header", "x-user"]).await;
    let addr = world.addr();
    let page = |user: &str| format!("GET /\n{PAGE}\nX-User: {user}");
    request(addr, &page("alice")).await;
    world.standin.set_faults(|faults| {
        faults.pairing_token_status = Some(503);
    });
    request(addr, &page("bob")).await;
    world.standin.set_faults(|faults| {
        faults.pairing_token_status = None;
        faults.refuse_exchange = true;
    });
    request(addr, &page("carol")).await;
    request(addr, &page("carol")).await;
    let scrape = world.metrics().await;
    for (series, count) in [
        ("pairings_total{way=\"api\"}", 1.0),
        ("pairings_total{way=\"cli\"}", 1.0),
        ("pairings_failed_total{cause=\"exchange_refused\"}", 1.0),
        ("pairings_refused_total{cause=\"pause\"}", 1.0),
        ("exchanges_total{endpoint=\"browser-session\"}", 2.0),
        ("pairing_duration_seconds_count{way=\"cli\"}", 1.0),
        (
            "cli_runs_total{command=\"session_issue\",outcome=\"ok\"}",
            1.0,
        ),
        (
            "cli_runs_total{command=\"pairing_create\",outcome=\"ok\"}",
            1.0,
        ),
        (
            "cli_run_duration_seconds_count{command=\"pairing_create\"}",
            1.0,
        ),
    ] {
        assert_eq!(scrape.get(series), count, "{series}");
    }
    assert_eq!(scrape.sum("pairings_total"), 2.0);
    assert_eq!(scrape.sum("pairings_failed_total"), 1.0);
}

#[tokio::test]
async fn tabs_that_share_a_pairing_are_counted_as_joined() {
    let world = World::with(&["--identity-header", "x-user"]).await;
    world
        .standin
        .set_faults(|faults| faults.auth_delay_ms = 200);
    let tab = |n: u32| format!("GET /t/{n}\n{PAGE}\nX-User: alice");
    let (one, two) = (tab(1), tab(2));
    let tabs = tokio::join!(request(world.addr(), &one), request(world.addr(), &two));
    assert_eq!((tabs.0.status, tabs.1.status), (302, 302));
    let scrape = world.metrics().await;
    assert_eq!(scrape.get("pairings_total{way=\"api\"}"), 1.0);
    assert_eq!(scrape.get("pairings_total{way=\"joined\"}"), 1.0);
}

#[tokio::test]
async fn tunnels_are_open_until_they_end_and_their_bytes_counted_meanwhile() {
    let world = World::start().await;
    let mut client = Client::connect(world.addr()).await;
    client
        .send_head(&format!("GET /standin/ws-raw\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a head").status, 101);
    let metrics = world.dispatcher.metrics;
    let scrape = Scrape::until(metrics, |scrape| scrape.get("open_tunnels") == 1.0).await;
    assert_eq!(scrape.get("tunnels_opened_total"), 1.0);
    client.send(&[0x81, 0x85, 0, 0, 0, 0]).await;
    client.send(b"hello").await;
    let received = "received_bytes_total{stream=\"tunnel\"}";
    Scrape::until(metrics, |scrape| scrape.get(received) == 11.0).await;
    drop(client);
    let scrape = Scrape::until(metrics, |scrape| scrape.get("open_tunnels") == 0.0).await;
    assert_eq!(
        scrape.get("tunnel_duration_seconds_count{cause=\"downstream_closed\"}"),
        1.0
    );
    assert_eq!(scrape.sum("tunnel_duration_seconds_count"), 1.0);
}

#[tokio::test]
async fn bytes_are_counted_both_ways() {
    let world = World::start().await;
    request(world.addr(), "GET /healthz").await;
    let before = world.metrics().await;
    let response = request(world.addr(), "GET /standin/bytes/1000000").await;
    assert_eq!(response.body.len(), 1_000_000);
    let after = world.metrics().await;
    let rise = |series: &str| after.get(series) - before.get(series);
    let sent = rise("sent_bytes_total{stream=\"http\"}");
    assert!((1_000_000.0..1_001_000.0).contains(&sent), "{sent}");
    let received = rise("received_bytes_total{stream=\"http\"}");
    let head = "GET /standin/bytes/1000000 HTTP/1.1\r\nHost: t3.localhost\r\n\r\n".len();
    assert_eq!(received, head as f64);
}

#[tokio::test]
async fn t3_s_state_is_a_series_and_a_successful_probe_is_no_change() {
    let world = World::start().await;
    let metrics = world.dispatcher.metrics;
    let is = |state: &str| format!("upstream_state{{state=\"{state}\"}}");
    let into = |state: &str| format!("upstream_state_changes_total{{state=\"{state}\"}}");
    Scrape::until(metrics, |scrape| scrape.get(&is("up")) == 1.0).await;
    // A broken response leads to a probe, which finds t3 up.
    assert_eq!(request(world.addr(), "GET /standin/drop").await.status, 502);
    assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
    let scrape = world.metrics().await;
    assert_eq!(scrape.get(&into("up")), 1.0);
    assert_eq!(scrape.sum("upstream_failures_total"), 1.0);
    let World {
        standin,
        dispatcher,
        dir: _dir,
    } = world;
    standin.kill();
    assert!(request(dispatcher.addr, "GET /standin/1k").await.status >= 502);
    let scrape = Scrape::until(metrics, |scrape| scrape.get(&is("down")) == 1.0).await;
    assert_eq!(scrape.get(&is("up")), 0.0);
    assert_eq!(scrape.get(&into("down")), 1.0);
}

#[tokio::test]
async fn the_listener_serves_metrics_and_nothing_else() {
    let world = World::start().await;
    let metrics = world.dispatcher.metrics;
    let response = request(metrics, "GET /metrics").await;
    assert!(
        response
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let head = request(metrics, "HEAD /metrics").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (ask, status) in [
        ("GET /", 404),
        ("GET /metrics/", 404),
        ("GET /healthz", 404),
        ("POST /metrics", 405),
        ("DELETE /metrics", 405),
    ] {
        assert_eq!(request(metrics, ask).await.status, status, "{ask}");
    }
    // The public port has no metrics: the path is forwarded to t3.
    let public = request(world.addr(), "GET /metrics").await;
    assert!(
        !public.text().contains("t3_dispatcher"),
        "{}",
        public.text()
    );
}

#[tokio::test]
async fn scrapes_are_bounded_and_cost_t3_nothing() {
    let limit = Duration::from_secs(1);
    let world = World::timed(&[], |timing| timing.scrape = limit).await;
    request(world.addr(), "GET /standin/1k").await;
    world.standin.clear_requests();
    let metrics = world.dispatcher.metrics;
    let (start, mut idle) = (std::time::Instant::now(), Vec::new());
    for _ in 0..8 {
        idle.push(Client::connect(metrics).await);
    }
    // Silent connections hold all places until they are closed.
    let scrape = Scrape::of(metrics).await;
    assert!(start.elapsed() >= limit, "a place was left");
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(scrape.sum("requests_total"), 1.0, "a scrape is no request");
    for mut client in idle {
        assert!(client.rest().await.is_empty(), "cut without a response");
    }
    assert!(world.asked().is_empty());
}

#[test]
fn a_named_port_must_be_free_and_the_default_one_need_not() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound socket").port();
    let mut named = command();
    named.env("DISPATCHER_METRICS_PORT", port.to_string());
    let refused = output(&mut named);
    let log = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{log}");
    assert!(log.contains("DISPATCHER_METRICS_PORT"), "{log}");
    // Taken by this socket, or by another process on this machine.
    let _taken = TcpListener::bind("127.0.0.1:9464");
    let mut default = command();
    default.env_remove("DISPATCHER_METRICS_PORT");
    let process = Process::start(&mut default);
    assert!(process.line().contains("DISPATCHER_METRICS_PORT"));
    process.signal(Signal::TERM);
    assert_eq!(process.end().0, Some(0));
}
