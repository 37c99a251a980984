//! `t3-dispatcher install`: the binary copies itself, as an init container does.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::common::process::{command, output};

const OWN: &str = env!("CARGO_BIN_EXE_t3-dispatcher");

fn install(target: &Path) -> Output {
    output(command().arg("install").arg(target))
}

/// The names in a folder.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let name = |entry: Result<fs::DirEntry, _>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_copy_is_whole_and_executable_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let target = dir.path().join("t3-dispatcher");
    // The narrowest umask: the mode must not depend on it.
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$0\" install \"$1\"", OWN]);
    let done = output(shell.arg(&target));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
    assert!(fs::read(&target).expect("the copy") == fs::read(OWN).expect("the binary"));
    let mode = fs::metadata(&target)
        .expect("the copy")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(names(dir.path()), ["t3-dispatcher"]);
    let version = output(Command::new(&target).arg("--version"));
    assert_eq!(version.status.code(), Some(0));
}

#[test]
fn an_existing_file_is_replaced_and_not_written_into() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (target, before) = (dir.path().join("t3-dispatcher"), dir.path().join("before"));
    fs::write(&target, "old").expect("a file");
    fs::hard_link(&target, &before).expect("a link");
    let inode = fs::metadata(&target).expect("a file").ino();
    assert_eq!(install(&target).status.code(), Some(0));
    assert_ne!(fs::metadata(&target).expect("the copy").ino(), inode);
    assert_eq!(fs::read(&before).expect("the old file"), b"old");
    assert_eq!(names(dir.path()), ["before", "t3-dispatcher"]);
}

#[test]
fn a_copy_can_install_itself_over_itself() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let target = dir.path().join("t3-dispatcher");
    assert_eq!(install(&target).status.code(), Some(0));
    let again = output(Command::new(&target).arg("install").arg(&target));
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(fs::read(&target).expect("the copy") == fs::read(OWN).expect("the binary"));
    assert_eq!(names(dir.path()), ["t3-dispatcher"]);
}

#[test]
fn an_error_is_one_line_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("folder")).expect("a folder");
    fs::write(dir.path().join("file"), "").expect("a file");
    for (target, cause) in [
        ("missing/t3-dispatcher", "No such file"),
        ("file/t3-dispatcher", "Not a directory"),
        ("folder", "Is a directory"),
        ("folder/..", "not the path of a file"),
    ] {
        let failed = install(&dir.path().join(target));
        assert_eq!(failed.status.code(), Some(1), "{target}");
        let text = String::from_utf8(failed.stderr).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(cause), "{target}: {text}");
        assert_eq!(names(dir.path()), ["file", "folder"], "{target}");
    }
    let unsaid = output(command().arg("install"));
    assert_eq!(unsaid.status.code(), Some(2));
}

/// A run that is killed in the middle of the copy leaves its draft: in a container the next run has the
/// same process id.
#[test]
fn a_draft_that_a_killed_run_left_is_in_nobody_s_way_and_goes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let target = dir.path().join("t3-dispatcher");
    let run = |limit: &str| {
        let script = format!("{limit} \"$0\" install \"$1\"");
        for inside in [
            &["--pid", "--fork"][..],
            &["--map-root-user", "--pid", "--fork"],
            &[],
        ] {
            // Its id is 2 where it has a namespace of its own, and then each run's.
            let mut command = match inside {
                [] => Command::new("env"),
                _ => Command::new("unshare"),
            };
            command.args(inside);
            let allowed = Command::new(command.get_program())
                .args(inside)
                .arg("true")
                .output();
            if allowed.is_ok_and(|output| output.status.success()) {
                let run = command.args(["sh", "-c", &script, OWN]).arg(&target);
                return output(run);
            }
        }
        panic!("a shell")
    };
    // By SIGXFSZ, at 64 KiB.
    let killed = run("ulimit -c 0; ulimit -f 128;");
    assert!(!killed.status.success(), "{killed:?}");
    let left = names(dir.path());
    assert_eq!(left.len(), 1, "the draft is left: {left:?}");
    assert!(left[0].starts_with(".t3-dispatcher."), "{left:?}");
    let done = run("");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(fs::read(&target).expect("the copy") == fs::read(OWN).expect("the binary"));
    assert_eq!(
        names(dir.path()).len(),
        2,
        "it may be one that is being written"
    );

    let draft = fs::File::open(dir.path().join(&left[0])).expect("a draft");
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    draft.set_modified(long_ago).expect("its owner");
    assert_eq!(install(&target).status.code(), Some(0));
    assert_eq!(names(dir.path()), ["t3-dispatcher"]);
}
