//! Without an identity header only the person at this machine is paired.

use rustix::process::Signal;

use crate::common::process::{Process, standin_and_command};
use crate::common::{Client, HANDSHAKE, PAGE, World, request};
use crate::harness::{assert_paired, each, load};
use crate::namespace::{is_inside, run_inside};

/// From the range for documentation (RFC 5737).
const ADDRESS: &str = "192.0.2.1";

/// Without an identity header a remote peer is served but not paired, and one line of
/// the log names the option to set.
#[tokio::test]
async fn a_remote_peer_is_not_paired_and_one_warning_names_the_option() {
    if !is_inside() {
        return run_inside(
            "remote_peer::a_remote_peer_is_not_paired_and_one_warning_names_the_option",
            &[ADDRESS],
        );
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    command.env("DISPATCHER_HOST", "0.0.0.0");
    let process = Process::start(&mut command);
    let port = process.addr.port();
    let elsewhere = format!("{ADDRESS}:{port}").parse().expect("an address");
    for _ in 0..3 {
        let response = load(elsewhere, "X-authentik-username: ada\n").await;
        assert_eq!(
            (response.status, &*response.header("set-cookie")),
            (200, "")
        );
    }
    assert_eq!(request(elsewhere, "GET /standin/1k").await.status, 200);
    let here = format!("127.0.0.1:{port}").parse().expect("an address");
    assert_eq!(load(here, "").await.status, 302, "this machine still is");
    let rebound = format!("GET /\nHost: evil.test\n{PAGE}");
    assert_eq!(request(here, &rebound).await.status, 200);
    assert_eq!(load(here, "Via: 1.1 proxy\n").await.status, 200);
    process.signal(Signal::TERM);
    let ended = tokio::task::spawn_blocking(|| process.end()).await;
    let (_, log) = ended.expect("no panic");
    let warnings = log
        .lines()
        .filter(|line| line.contains("DISPATCHER_IDENTITY_HEADER"));
    let warnings: Vec<_> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("WARN"), "{log}");
}

/// `Host`, further fields; is it paired and healed?
const ON_LOOPBACK: [(&str, &str, bool); 21] = [
    ("localhost", "", true),
    ("LOCALHOST:8080", "", true),
    ("t3.localhost", "", true),
    ("127.0.0.1:8080", "", true),
    ("127.9.9.9", "", true),
    ("[::1]:8080", "", true),
    ("t3.test", "", false),
    ("rebound.evil.test:8080", "", false),
    ("localhost.evil.test", "", false),
    ("127.0.0.1.nip.io", "", false),
    ("192.168.1.2", "", false),
    ("[fe80::1]", "", false),
    ("0.0.0.0", "", false),
    ("localhost", "X-Forwarded-For: 203.0.113.9\n", false),
    ("localhost", "X-Forwarded-Proto: https\n", false),
    ("localhost", "X-Forwarded-Anything: x\n", false),
    ("localhost", "X_Forwarded_For: 203.0.113.9\n", false),
    ("localhost", "Forwarded: for=203.0.113.9\n", false),
    ("localhost", "Via: 1.1 proxy\n", false),
    // A proxy may pass a client's `Connection` on, beside what it adds itself.
    (
        "localhost",
        "X-Forwarded-For: 203.0.113.9\nConnection: x-forwarded-for\n",
        false,
    ),
    ("localhost", "Via: 1.1 proxy\nConnection: via\n", false),
];

#[tokio::test]
async fn on_loopback_only_a_name_of_this_machine_is_paired_and_healed_and_no_proxy_s_request() {
    each(ON_LOOPBACK, |(host, fields, expected)| async move {
        let world = World::start().await;
        let of = format!("{host} {fields}");
        let head = format!("GET /\nHost: {host}\n{fields}{PAGE}");
        assert_paired(&request(world.addr(), &head).await, expected, &of);
        let own = format!("Host: {host}\n{fields}Sec-Fetch-Site: same-origin");
        let query = request(world.addr(), &format!("GET /api/auth/session\n{own}")).await;
        assert_eq!(query.json()["authenticated"], expected, "{of}");
        let mut client = Client::connect(world.addr()).await;
        let head = format!("GET /ws\n{own}\nOrigin: http://{host}\n{HANDSHAKE}");
        client.send_head(&head).await;
        let upgrade = client.head().await.expect("a response");
        assert_eq!(upgrade.status, if expected { 101 } else { 401 }, "{of}");
    })
    .await;
}
