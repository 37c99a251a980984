//! A network namespace for a test: its loopback interface has further addresses.

use std::process::Command;

use crate::common::skip;

const INSIDE: &str = "T3_TEST_INSIDE_NAMESPACE";

/// Is this the test's run inside?
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `test` again in a network namespace whose loopback interface has `addresses` too.
pub(crate) fn run_inside(test: &str, addresses: &[&str]) {
    let mut prepare = "ip link set lo up".to_owned();
    for address in addresses {
        prepare.push_str(&format!(" && ip addr add {address}/32 dev lo"));
    }
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
