//! The t3 CLI: where it is found, what is told of it, and one that cannot be started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use t3_standin::server::{Options as StandinOptions, Standin};

use crate::common::cli_in;
use crate::common::process::{Process, command, output, standin_and_command};

/// Makes a file of `bytes` at `path`.
fn file(path: &Path, bytes: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, bytes).expect("writable");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its owner");
}

#[test]
fn the_path_of_one_that_cannot_be_started_is_told_with_the_cause() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    // An ELF head for a machine that is not even assigned.
    let own = fs::read("/proc/self/exe").expect("this program");
    let mut elf = own[..64].to_vec();
    elf[18..20].copy_from_slice(&[0xfe, 0xfe]);
    file(&at("another"), &elf, 0o755);
    file(&at("forbidden"), b"#!/bin/sh\n", 0o644);
    file(&at("no-node"), b"#!/no/such/node\n", 0o755);
    for (name, cause) in [
        ("missing", "No such file or directory"),
        ("forbidden", "Permission denied"),
        ("another", "Exec format error"),
        (
            "no-node",
            "No such file or directory (os error 2): it is there",
        ),
    ] {
        let path = at(name);
        let checked = output(command().env("T3_BIN", &path).arg("check"));
        let report = String::from_utf8_lossy(&checked.stdout).into_owned();
        let line = report.lines().next().unwrap_or_default();
        let told = format!("cannot be started: {}: {cause}", path.display());
        assert!(
            line.contains("FAILED") && line.contains(&told),
            "{name}: {report}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cli_that_cannot_be_started_is_told_by_the_server_with_its_path() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_standin, mut command) = standin_and_command(dir.path()).await;
    let path = dir.path().join("missing/t3");
    let process = Process::start(command.env("T3_BIN", &path));
    let log = process.log_until("no admin session issued");
    let line = log.lines().last().unwrap_or_default();
    assert!(
        line.contains(&format!("{}: No such file", path.display())),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn which_of_two_runs_is_told_at_the_start_and_by_check() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let base_dir = dir.path().join("home/.t3");
    let standin = Standin::start(StandinOptions::new(&base_dir))
        .await
        .expect("a free port");
    // An npm install of before, and what t3's installer has left.
    let older = cli_in(dir.path());
    let newer = dir.path().join("home/.local/bin/t3");
    file(&newer, b"#!/bin/sh\necho t3 v0.0.46\n", 0o755);
    let with_path = |folders: &[&Path]| {
        let path = std::env::join_paths(folders).expect("plain");
        let mut command = command();
        command
            .env("HOME", dir.path().join("home"))
            .env("T3CODE_HOME", &base_dir)
            .env("T3_UPSTREAM_PORT", standin.addr().port().to_string())
            .env("PATH", path);
        command
    };
    let (bin, usr) = (older.parent().expect("a folder"), Path::new("/usr/bin"));
    let both = format!(
        "{}, t3 v0.0.26; T3_BIN chooses another: {}",
        older.display(),
        newer.display()
    );
    let checked = output(with_path(&[bin, usr]).arg("check"));
    let report = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(report.contains(&both), "{report}");
    assert_eq!(checked.status.code(), Some(0), "{report}");
    // Without the older one the newer is found where no PATH leads.
    let checked = output(with_path(&[Path::new("/nowhere"), Path::new("/bin")]).arg("check"));
    let report = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        report.contains(&format!("{}, t3 v0.0.46", newer.display())),
        "{report}"
    );

    let process = Process::start(&mut with_path(&[bin, usr]));
    let log = process.log_until("the t3 CLI's version");
    let (older, newer) = (older.display(), newer.display());
    let lines: Vec<_> = log.lines().collect();
    let place = lines
        .iter()
        .find(|line| line.contains("T3_BIN chooses another"));
    let place = place.unwrap_or_else(|| panic!("{log}"));
    assert!(place.contains(&format!("path={older}")), "{log}");
    assert!(place.contains(&format!("others=\"{newer}\"")), "{log}");
    assert!(log.contains("version=\"t3 v0.0.26\""), "{log}");
}
