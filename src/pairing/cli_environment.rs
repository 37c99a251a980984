//! The environment of a run of the t3 CLI.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use tokio::process::Command;

/// The variables that a run gets of this process's environment, beside `T3CODE_*`: none that is the
/// dispatcher's own, as whoever can write the CLI's files can read what it gets.
const INHERITED: [&str; 6] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "NODE_COMPILE_CACHE",
    "NODE_EXTRA_CA_CERTS",
];

/// Gives `command`, which starts `program`, its environment; t3 listens on `t3_port`.
pub(super) fn set(command: &mut Command, program: &Path, t3_port: u16) {
    let inherited = std::env::vars_os().filter(|(name, _)| is_inherited(name));
    command.env_clear().envs(inherited);
    // Without it, each run looks for a free port and listens for a moment on the one that t3 may be about
    // to take (contract §1).
    command.env("T3CODE_PORT", t3_port.to_string());
    if let Some(path) = path_with(program) {
        command.env("PATH", path);
    }
}

fn is_inherited(name: &OsStr) -> bool {
    let is_t3_s = name.as_encoded_bytes().starts_with(b"T3CODE_");
    is_t3_s || INHERITED.iter().any(|inherited| name == *inherited)
}

/// The PATH of the child: the program's own directory first, as its interpreter may be there too.
fn path_with(program: &Path) -> Option<OsString> {
    let folder = program
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).ok()
}
