//! The process as PID 1 of a container, which no other one is a parent of.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::process::{Process, command, standin_and_command};
use crate::common::{PAGE, PATIENCE, cli_in, request, skip};

/// Starts `command` as PID 1 of a namespace of its own, and returns its id here too. None where that is
/// not allowed.
fn as_pid_1(command: &Command) -> Option<(Process, Pid)> {
    let options = ["--pid", "--fork", "--kill-child", "--map-root-user"];
    // Who is root already needs no map, which a sandbox may refuse.
    let options = [&options[..3], &options[..]].into_iter().find(|options| {
        let allowed = Command::new("unshare").args(*options).arg("true").status();
        allowed.is_ok_and(|status| status.success())
    })?;
    let mut unshare = Command::new("unshare");
    unshare.args(options).arg(command.get_program()).env_clear();
    let set = command.get_envs();
    unshare.envs(set.filter_map(|(name, value)| Some((name, value?))));
    let process = Process::start(&mut unshare);
    let own = process.child.id();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    let inner = children.expect("procfs").trim().parse().ok();
    let inner = inner.and_then(Pid::from_raw).expect("one child");
    Some((process, inner))
}

async fn end(process: Process, inner: Pid) {
    kill_process(inner, Signal::TERM).expect("it runs");
    let ended = tokio::task::spawn_blocking(|| process.end()).await;
    let (code, log) = ended.expect("no panic");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained"), "{log}");
}

/// PID 1 has no default signal handlers.
#[tokio::test]
async fn it_drains_as_pid_1_too() {
    let Some((process, inner)) = as_pid_1(&command()) else {
        return skip("no permission for a PID namespace");
    };
    assert_eq!(request(process.addr, "GET /healthz").await.status, 200);
    end(process, inner).await;
}

/// The states of the children of `parent`.
fn children_of(parent: Pid) -> Vec<String> {
    let parent = parent.as_raw_nonzero().to_string();
    let processes = std::fs::read_dir("/proc").expect("procfs");
    let states = processes.filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let (name, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        (fields.next()? == parent).then(|| format!("{name}) {state}"))
    });
    states.collect()
}

#[tokio::test]
async fn row_66_as_pid_1_it_reaps_what_the_cli_leaves_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    // One is of the CLI's own group, which is killed with it, and one of none.
    let script = format!(
        "#!/bin/sh\nsleep 60 &\nsetsid sh -c 'sleep 0.2' >/dev/null 2>&1 &\nexec {} \"$@\"\n",
        cli_in(dir.path()).display()
    );
    let cli = dir.path().join("cli");
    std::fs::write(&cli, script).expect("a writable directory");
    std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).expect("its owner");
    command
        .env("T3_BIN", &cli)
        .env("DISPATCHER_MINT", "cli")
        .env("DISPATCHER_IDENTITY_HEADER", "X-User");
    let Some((process, inner)) = as_pid_1(&command) else {
        return skip("no permission for a PID namespace");
    };
    for number in 0..10 {
        let head = format!("GET /\n{PAGE}\nX-User: person{number}");
        let response = request(process.addr, &head).await;
        assert_eq!(response.status, 302, "the CLI's own exit status is its own");
    }
    let reaped = async {
        while !children_of(inner).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let reaped = tokio::time::timeout(PATIENCE, reaped).await;
    assert!(reaped.is_ok(), "left: {:?}", children_of(inner));
    end(process, inner).await;
}
