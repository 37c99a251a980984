//! What other programs learn of the process: the t3 CLI that it runs, and processes of the same user.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use t3_standin::port;

use crate::common::process::{Process, binary, command, output};
use crate::common::{Scrape, skip};

/// What the CLI may get; a shell adds the last three for itself.
const ALLOWED: [&str; 11] = [
    "HOME",
    "LANG",
    "NODE_COMPILE_CACHE",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "T3CODE_HOME",
    "T3CODE_PORT",
    "TMPDIR",
    "PWD",
    "SHLVL",
    "_",
];

#[test]
fn the_cli_gets_nothing_of_the_dispatcher_s_own_environment() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (cli, printed) = (dir.path().join("t3"), dir.path().join("t3.env"));
    fs::write(&cli, "#!/bin/sh\nenv >\"$0.env\"\n").expect("a writable directory");
    fs::set_permissions(&cli, fs::Permissions::from_mode(0o755)).expect("its owner");
    let mut command = command();
    for name in ALLOWED.iter().take(8).filter(|name| **name != "PATH") {
        command.env(name, dir.path());
    }
    for (name, value) in [
        ("DISPATCHER_IDENTITY_HEADER", "X-Name"),
        ("DISPATCHER_SECRET_FILE", "/door/secret"),
        ("T3_UPSTREAM_PORT", "1"),
        ("RUST_LOG", "debug"),
        ("AWS_SECRET_ACCESS_KEY", "SECRET"),
        ("NODE_OPTIONS", "--require=/tmp/x.js"),
        ("LD_PRELOAD_NOT", "x"),
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ] {
        command.env(name, value);
    }
    output(command.env("T3_BIN", &cli).arg("check"));
    let environment = fs::read_to_string(printed).expect("it ran");
    let names = environment.lines().filter_map(|line| line.split_once('='));
    let names: BTreeSet<_> = names.map(|(name, _)| name).collect();
    let allowed: BTreeSet<_> = ALLOWED.into();
    assert!(names.is_subset(&allowed), "{environment}");
    let wanted: BTreeSet<_> = ALLOWED[..8].iter().copied().collect();
    assert!(names.is_superset(&wanted), "{environment}");
    // Its own would be looked for, and held for a moment: it is t3's, whatever the environment says.
    let mut lines = environment.lines();
    assert!(lines.any(|line| line == "T3CODE_PORT=1"), "{environment}");
}

/// A program without rights beyond those of its user, who may be root.
fn without_rights(program: &OsStr) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-all"]).arg(program);
    command
}

/// Can another process of the same user read the environment of this one?
fn is_readable(process: &Child) -> bool {
    let path = format!("/proc/{}/environ", process.id());
    let mut cat = without_rights("cat".as_ref());
    let read = cat.arg(path).stderr(Stdio::null()).output();
    read.is_ok_and(|read| read.status.success() && !read.stdout.is_empty())
}

#[tokio::test]
async fn a_process_of_the_same_user_reads_neither_its_environment_nor_its_memory() {
    let mut other = without_rights("sleep".as_ref());
    let mut other = other.arg("60").spawn().expect("it starts");
    let is_possible = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_readable(&other)
    });
    other.kill().expect("it runs");
    other.wait().expect("a child");
    if !is_possible {
        return skip("no process can be read here");
    }
    let metrics = port::unused();
    let mut command = without_rights(&binary());
    command
        .env("DISPATCHER_HOST", "127.0.0.1")
        .env("DISPATCHER_PORT", "0")
        .env("DISPATCHER_METRICS_PORT", metrics.port().to_string());
    let process = Process::start(&mut command);
    assert!(!is_readable(&process.child));
    // What it reads of itself, it still can.
    let read = Scrape::of(metrics).await;
    for name in ["process_open_fds ", "process_resident_memory_bytes "] {
        let mut lines = read.text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        assert!(value.is_some_and(|value| value != "0"), "{name}: {value:?}");
    }
}
