//! The process: options, signals, drain, time to start, memory.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::process::{Process, command, is_release, output, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, PATIENCE, request};

#[test]
fn an_invalid_option_ends_the_start_with_one_line_and_code_2() {
    for (name, value) in [
        ("DISPATCHER_PORT", "eighty"),
        ("DISPATCHER_HOST", "not an address"),
        ("T3_UPSTREAM_PORT", "70000"),
        ("T3_UPSTREAM_HOST", "http://t3"),
        ("RUST_LOG", "loud"),
        ("LOG_FORMAT", "xml"),
        ("DISPATCHER_DRAIN_TIMEOUT", "soon"),
    ] {
        let output = output(command().env(name, value));
        assert_eq!(output.status.code(), Some(2), "{name}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(value), "{text}");
        assert!(output.stdout.is_empty());
    }
    let unknown = output(command().arg("--no-such-option"));
    assert_eq!(unknown.status.code(), Some(2));
    let incomplete = output(command().env("DISPATCHER_ALLOWED_USERS", "ada"));
    let text = String::from_utf8(incomplete.stderr).expect("text");
    assert_eq!(
        (incomplete.status.code(), text.lines().count()),
        (Some(2), 1)
    );
    assert!(text.contains("--identity-header"), "{text}");
    for flag in ["--help", "--version"] {
        let output = output(command().arg(flag));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_port_that_is_taken_is_logged() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("bound");
    let output = output(command().env("DISPATCHER_PORT", addr.port().to_string()));
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stdout).expect("text");
    assert!(log.contains(&addr.to_string()), "{log}");
}

#[tokio::test]
async fn the_log_can_be_json() {
    let process = Process::start(command().env("LOG_FORMAT", "json"));
    let line: serde_json::Value = serde_json::from_str(&process.first_line).expect("JSON");
    assert_eq!(line["level"], "INFO");
}

#[tokio::test]
async fn sigterm_and_sigint_let_the_request_under_way_finish() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path()))
        .await
        .expect("a free port");
    for signal in [Signal::TERM, Signal::INT] {
        let port = standin.addr().port().to_string();
        let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
        let mut client = Client::connect(process.addr).await;
        client.send_head("GET /standin/slow?ms=1000").await;
        client.head().await.expect("a response");
        process.signal(signal);
        let addr = process.addr;
        let refused = async { while tokio::net::TcpStream::connect(addr).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, refused)
            .await
            .expect("it stops accepting");
        let rest = client.rest().await;
        assert!(String::from_utf8_lossy(&rest).ends_with("last\n\r\n0\r\n\r\n"));
        let (code, _) = tokio::task::spawn_blocking(|| process.end())
            .await
            .expect("no panic");
        assert_eq!(code, Some(0));
    }
}

#[tokio::test]
async fn row_69_sighup_is_no_death() {
    for fast_path in ["on", "off"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (_standin, mut command) = standin_and_command(dir.path()).await;
        let process = Process::start(command.env("DISPATCHER_FAST_PATH", fast_path));
        let mut client = Client::connect(process.addr).await;
        client.send_head("GET /standin/slow?ms=300").await;
        let mut slow = client.head().await.expect("a response");
        for _ in 0..3 {
            process.signal(Signal::HUP);
            process.log_until("SIGHUP");
        }
        client.body(&mut slow).await;
        assert!(slow.complete, "the request under way goes on");
        let fetched = request(process.addr, "GET /standin/1k").await;
        assert_eq!(fetched.status, 200);
        process.signal(Signal::TERM);
        let (code, _) = tokio::task::spawn_blocking(|| process.end())
            .await
            .expect("no panic");
        assert_eq!(code, Some(0));
    }
}

#[tokio::test]
async fn a_drain_closes_tunnels_and_is_over_when_they_are() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let standin = Standin::start(StandinOptions::new(dir.path()))
        .await
        .expect("a free port");
    let port = standin.addr().port().to_string();
    let process = Process::start(command().env("T3_UPSTREAM_PORT", port));
    let mut client = Client::connect(process.addr).await;
    client
        .send_head(&format!("GET /standin/ws\n{HANDSHAKE}"))
        .await;
    assert_eq!(client.head().await.expect("a response").status, 101);
    let start = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(client.read_at_least(4).await, [0x88, 2, 0x03, 0xe9]);
    client.send(&[0x88, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(client.rest().await, b"");
    drop(client);
    let (code, log) = tokio::task::spawn_blocking(|| process.end())
        .await
        .expect("no panic");
    assert_eq!(code, Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(log.contains("ws close") && log.contains("drained"), "{log}");
}

#[tokio::test]
async fn no_credential_and_no_cookie_is_in_the_log_at_any_level() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (standin, mut command) = standin_and_command(dir.path()).await;
    command.env("RUST_LOG", "trace");
    let process = Process::start(&mut command);
    let response = request(
        process.addr,
        &format!("GET /\n{PAGE}\nCookie: other=SECRETOTHER1"),
    )
    .await;
    assert_eq!(response.status, 302);
    let cookie = response.cookie();
    let again = format!("GET /\n{PAGE}\nCookie: {cookie}\nAuthorization: Bearer SECRETBEARER1");
    assert_eq!(request(process.addr, &again).await.status, 200);
    let spent = standin.requests();
    let exchange = spent
        .iter()
        .find(|seen| seen.target.starts_with(b"/api/auth/browser-session"));
    assert!(exchange.is_some());
    process.signal(Signal::TERM);
    let (_, log) = tokio::task::spawn_blocking(|| process.end())
        .await
        .expect("no panic");
    let value = cookie.split_once('=').expect("a cookie").1;
    for secret in [
        &value[..40],
        "SECRETOTHER1",
        "SECRETBEARER1",
        "\"credential\"",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// The bounds of the release build, and wider ones for debug builds.
#[tokio::test]
async fn it_serves_soon_after_its_start_and_is_small() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let process = Process::start(&mut command());
        assert_eq!(request(process.addr, "GET /healthz").await.status, 200);
        times.push((start.elapsed(), process.resident()));
    }
    times.sort();
    let (time, resident) = times[2];
    println!("serving after {time:?}, {resident} KiB resident");
    let (most_time, most_resident) = match is_release() {
        true => (Duration::from_millis(50), 6656),
        false => (Duration::from_millis(500), 24 * 1024),
    };
    assert!(time < most_time, "{time:?}");
    assert!(resident < most_resident, "{resident} KiB");
}
