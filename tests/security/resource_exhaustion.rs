//! Exhausted resources of the machine: file descriptors, a full disk for the log: row 49.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use t3_standin::port;

use crate::common::process::{Process, command};
use crate::common::{Client, PATIENCE, request};
use crate::harness::until;
use crate::resource_use::{descriptors, ticks};

#[tokio::test]
async fn row_49_without_descriptors_it_waits_and_comes_back() {
    let mut limited = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_t3-dispatcher");
    limited.args(["-c", &format!("ulimit -n 32 && exec {binary}")]);
    limited
        .env("DISPATCHER_HOST", "127.0.0.1")
        .env("DISPATCHER_PORT", "0");
    let process = Process::start(&mut limited);
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(Client::connect(process.addr).await);
    }
    assert!(until(|| descriptors(&process) >= 32).await);
    let spent = ticks(&process);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = ticks(&process) - spent;
    assert!(spent < 20, "{spent} ticks of the processor for waiting");
    drop(held);
    let response = tokio::time::timeout(PATIENCE, request(process.addr, "GET /healthz")).await;
    assert_eq!(response.expect("it comes back").status, 200);
}

#[tokio::test]
async fn row_49_a_full_log_takes_nothing_with_it() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command();
    command
        .stdout(Stdio::from(full.expect("a full device")))
        .stderr(Stdio::null());
    // It cannot log the port that it takes.
    let addr = port::unused();
    command
        .env("RUST_LOG", "trace")
        .env("DISPATCHER_PORT", addr.port().to_string());
    let mut child = Killed(command.spawn().expect("the binary starts"));
    assert!(
        until(|| TcpStream::connect(addr).is_ok()).await,
        "it listens"
    );
    for _ in 0..20 {
        assert_eq!(request(addr, "GET /healthz").await.status, 200);
        assert!(matches!(request(addr, "GET /x").await.status, 502..=504));
    }
    assert!(child.0.try_wait().expect("a child").is_none(), "it runs");
}

struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
