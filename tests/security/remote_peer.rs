//! A peer that is not on loopback is not paired without an identity header.

use std::process::Command;

use rustix::process::Signal;

use crate::common::process::{Process, standin_and_command};
use crate::common::{request, skip};
use crate::harness::load;

/// From the range for documentation (RFC 5737).
const ADDRESS: &str = "192.0.2.1";

const INSIDE: &str = "T3_TEST_INSIDE_NAMESPACE";

/// Without an identity header a remote peer is served but not paired, and one line of
/// the log names the option to set.
#[tokio::test]
async fn a_remote_peer_is_not_paired_and_one_warning_names_the_option() {
    if std::env::var_os(INSIDE).is_none() {
        return run_inside(
            "remote_peer::a_remote_peer_is_not_paired_and_one_warning_names_the_option",
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

/// Runs this test again in a network namespace whose loopback interface has a second address.
fn run_inside(test: &str) {
    let prepare = format!("ip link set lo up && ip addr add {ADDRESS}/32 dev lo");
    for user in [&[][..], &["--map-root-user"]] {
        let mut unshare = Command::new("unshare");
        unshare.args(user).args(["--net", "sh", "-c"]);
        let mut probe = Command::new(unshare.get_program());
        let allowed = probe.args(unshare.get_args()).arg(&prepare).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let test_binary = std::env::current_exe().expect("a running test");
        unshare.arg(format!(
            "{prepare} && exec \"$0\" --exact {test} --nocapture"
        ));
        let output = unshare.arg(test_binary).env(INSIDE, "1").output();
        let output = output.expect("unshare runs");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
        return;
    }
    skip("no permission for a network namespace, or no `ip` to fill it");
}
