//! The load of wrk, which another kind of client is: it writes and reads in turns of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Clients, Spent, Window, http};
use crate::roles::Failure;

/// The least that wrk runs.
const SECONDS: &str = "1s";

/// Has wrk ask at `addr` for about a second; `scripts` is where its script for a constant rate is.
///
/// # Errors
/// Any connection that is refused or cut, and any answer that is none of 2xx.
pub(crate) fn measure(
    clients: Clients,
    addr: SocketAddr,
    tree: &[u32],
    scripts: &Path,
) -> Result<Window, Failure> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--duration", SECONDS, "--connections"]);
    command.arg(clients.count().to_string());
    if clients == Clients::Paced {
        command.arg("--script").arg(scripts.join("rate.lua"));
    }
    for (name, value) in http::fields(0, http::KEPT) {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    command.arg(format!("http://{addr}{}", http::KIBIBYTE));
    let before = Spent::now(tree)?;
    let output = command.output()?;
    let after = Spent::now(tree)?;
    let report = String::from_utf8_lossy(&output.stdout);
    let done = answers(&report).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("not what wrk was to report: {report}{errors}")
    })?;
    Ok(Window {
        done,
        ..after.since(&before, Vec::new())
    })
}

/// How many answers wrk reports; none where any was an error.
fn answers(report: &str) -> Option<u64> {
    let is_ill = |line: &str| {
        let line = line.trim_start();
        line.starts_with("Socket errors") || line.starts_with("Non-2xx")
    };
    if report.lines().any(is_ill) {
        return None;
    }
    let line = report.lines().find(|line| line.contains(" requests in "))?;
    let count = line.split_whitespace().next()?.parse().ok();
    count.filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_unless_one_is_an_error() {
        let well =
            "Running 1s test\n  65019 requests in 1.10s, 78.68MB read\nRequests/sec: 59108\n";
        assert_eq!(answers(well), Some(65_019));
        assert_eq!(
            answers(&format!("{well}  Non-2xx or 3xx responses: 2\n")),
            None
        );
        let cut = format!("{well}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
        assert_eq!(answers(&cut), None);
        assert_eq!(answers("  0 requests in 1.10s, 0.00B read\n"), None);
        assert_eq!(answers("unable to connect\n"), None);
    }
}
