//! All connection places taken, and no descriptors left: rows 63 and 64.

use std::process::Command;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::common::process::{Process, binary};
use crate::common::raw_upstream::RawUpstream;
use crate::common::{Client, PAGE, World, request};
use crate::harness::assert_ends;
use crate::resource_use::descriptors;

/// How many descriptors the process has that is to have none left.
const LIMIT: usize = 48;

/// Both ways through.
const WAYS: [&str; 2] = ["on", "off"];

/// A world with `most` places.
async fn world(most: &str, way: &str) -> World {
    World::with(&["--max-connections", most, "--fast-path", way]).await
}

#[tokio::test]
async fn row_63_the_longest_idle_connection_makes_way() {
    for way in WAYS {
        let world = world("3", way).await;
        let mut idle = Vec::new();
        for ask in ["GET /standin/1k", "GET /healthz", "GET /standin/1k"] {
            let mut client = Client::connect(world.addr()).await;
            assert_eq!(client.exchange(ask).await.status, 200);
            idle.push(client);
        }
        // The first one is not the longest idle any more.
        assert_eq!(idle[0].exchange("GET /standin/1k").await.status, 200);
        let mut new = Client::connect(world.addr()).await;
        assert_eq!(new.exchange("GET /standin/1k").await.status, 200);
        assert_ends(&mut idle[1], "the longest idle connection").await;
        for kept in [0, 2] {
            assert_eq!(idle[kept].exchange("GET /standin/1k").await.status, 200);
        }
        assert_eq!(new.exchange("GET /standin/1k").await.status, 200, "kept");
        assert_eq!(request(world.addr(), "GET /healthz").await.status, 200);
        // Who has asked for nothing yet is idle too.
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(Client::connect(world.addr()).await);
        }
        let page = request(world.addr(), &format!("GET /\n{PAGE}")).await;
        assert_eq!(page.status, 302);
    }
}

#[tokio::test]
async fn row_63_where_all_places_are_busy_probes_are_answered_and_others_get_503() {
    for way in WAYS {
        let world = world("2", way).await;
        assert_eq!(request(world.addr(), "GET /standin/1k").await.status, 200);
        let mut busy = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(world.addr()).await;
            client.send_head("GET /standin/slow?ms=3000").await;
            client.head().await.expect("a response that has begun");
            busy.push(client);
        }
        for (ask, expected) in [
            ("GET /healthz", 200),
            ("GET /readyz", 200),
            ("GET /standin/1k", 503),
            ("HEAD /standin/1k", 503),
            ("GET /", 503),
            ("GET /healthz", 200),
        ] {
            let mut client = Client::connect(world.addr()).await;
            let response = client.exchange(&format!("{ask}\n{PAGE}")).await;
            assert_eq!(response.status, expected, "{ask}");
            assert_eq!(response.header("connection"), "close", "{ask}");
            assert_ends(&mut client, ask).await;
        }
        let refused = r#"upstream_failures_total{cause="places"}"#;
        assert_eq!(world.metrics().await.get(refused), 3.0);
        for client in &mut busy {
            let rest = client.read_at_least(26).await;
            assert!(!rest.is_empty(), "they go on");
        }
        drop(busy);
        let is_served = async || request(world.addr(), "GET /standin/1k").await.status == 200;
        while !is_served().await {}
    }
}

/// How many descriptors it has inherited whose numbers are beyond its limit.
fn beyond_limit(process: &Process) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", process.child.id()));
    let names = entries.into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
    numbers.filter(|number| *number >= LIMIT).count()
}

/// Has it no descriptor left, for more than a moment?
async fn is_full(process: &Process) -> bool {
    for _ in 0..5 {
        if descriptors(process) < LIMIT + beyond_limit(process) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

#[tokio::test]
async fn row_64_without_descriptors_t3_is_not_called_down() {
    let t3 = RawUpstream::sending(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    )
    .await;
    for way in WAYS {
        let mut limited = Command::new("sh");
        let binary = binary();
        let binary = binary.to_str().expect("text");
        limited
            .args(["-c", &format!("ulimit -n {LIMIT} && exec {binary}")])
            .env("DISPATCHER_HOST", "127.0.0.1")
            .env("DISPATCHER_PORT", "0")
            .env("DISPATCHER_METRICS_PORT", "0")
            .env("DISPATCHER_ASSETS", "off")
            .env("DISPATCHER_FAST_PATH", way)
            .env("T3_BIN", "/nowhere/t3")
            .env("DISPATCHER_HEADER_TIMEOUT", "1m")
            .env("T3_UPSTREAM_PORT", t3.addr.port().to_string());
        let process = Process::start(&mut limited);
        while request(process.addr, "GET /api/x").await.status != 200 {}
        let mut last = Client::connect(process.addr).await;
        assert_eq!(last.exchange("GET /healthz").await.status, 200);
        // These are in the head of a request, and make no way.
        let mut busy = Vec::new();
        while !is_full(&process).await {
            let mut client = Client::connect(process.addr).await;
            assert_eq!(client.exchange("GET /healthz").await.status, 200);
            client.stream.write_all(b"GET / HT").await.expect("open");
            busy.push(client);
        }
        for _ in 0..3 {
            let refused = last.exchange("GET /api/x").await;
            assert_eq!(refused.status, 503);
            assert!(refused.text().contains("descriptors"), "{}", refused.text());
            let ready = last.exchange("GET /readyz").await;
            assert_eq!((ready.status, ready.text().as_str()), (200, "up"));
        }
        // An idle one makes way for a descriptor too.
        assert_eq!(request(process.addr, "GET /healthz").await.status, 200);
        assert_ends(&mut last, "the idle connection").await;
        drop(busy);
        while request(process.addr, "GET /api/x").await.status != 200 {}
        process.signal(rustix::process::Signal::TERM);
        let (_, log) = tokio::task::spawn_blocking(|| process.end())
            .await
            .expect("no panic");
        assert!(log.contains("no descriptors left here"), "{log}");
        assert!(!log.contains("t3 is down"), "{log}");
    }
}
