//! What tests have cargo build: the stand-in's CLI, and examples.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The stand-in's CLI under its real name, in a folder of its own below `dir`.
pub fn cli_in(dir: &Path) -> PathBuf {
    let folder = dir.join("bin");
    std::fs::create_dir_all(&folder).expect("a writable directory");
    let link = folder.join("t3");
    if !link.exists() {
        symlink(cli(), &link).expect("a new link");
    }
    link
}

/// The stand-in's CLI, built on first use: cargo builds no binary of a dev-dependency.
fn cli() -> &'static Path {
    static CLI: OnceLock<PathBuf> = OnceLock::new();
    CLI.get_or_init(|| built(&["--package", "t3-standin"]).join("t3-standin"))
}

/// Has cargo build what is named by `args`, as the tests are built; returns the folder of binaries.
pub fn built(args: &[&str]) -> PathBuf {
    let test = std::env::current_exe().expect("a running test");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/test");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked"]).args(args);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    // What cargo has told this test: by another value build scripts run again, and all that needs them is compiled.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(status.expect("cargo runs").success(), "{args:?} builds");
    profile.to_owned()
}
