//! The `install` command: copies the running binary to a file that another container can run.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

/// The running binary by its inode, for when its path no longer leads to it.
const SELF: &str = "/proc/self/exe";

/// All users of the shared volume may run the copy, and only its owner may change it.
const MODE: u32 = 0o755;

/// A draft is written within seconds: one that is so much older is of a run that was killed.
const DRAFT_LIFE: Duration = Duration::from_secs(10 * 60);

/// The target that could not be written, and the cause.
#[derive(Debug)]
pub struct InstallError {
    target: PathBuf,
    source: io::Error,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot install {}: {}",
            self.target.display(),
            self.source
        )
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Puts a copy of this binary at `target`, completely or not at all; creates no folders.
pub fn install(target: &Path) -> Result<(), InstallError> {
    copy_to(target).map_err(|source| InstallError {
        target: target.to_owned(),
        source,
    })
}

fn copy_to(target: &Path) -> io::Result<()> {
    let own = std::env::current_exe().and_then(File::open);
    let own = own.or_else(|_| File::open(SELF))?;
    let prefix = draft_prefix(target)?;
    let draft = target.with_file_name(draft_name(&prefix));
    let done = write(own, &draft).and_then(|written| {
        remove_abandoned(target, &prefix, written);
        fs::rename(&draft, target)
    });
    if done.is_err() {
        // It fails if there is no draft, and then nothing is left to remove.
        let _ = fs::remove_file(&draft);
    }
    done
}

/// What the names of all drafts of `target` begin with. They are in its own folder, as a rename is
/// atomic only within a file system.
fn draft_prefix(target: &Path) -> io::Result<OsString> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".draft-");
    Ok(prefix)
}

/// A name that no other run has: in a container every run has the same process id, and one that was
/// killed has left its draft.
fn draft_name(prefix: &OsStr) -> OsString {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut name = prefix.to_owned();
    let (id, nanos) = (std::process::id(), now.unwrap_or_default().as_nanos());
    name.push(format!("{id}-{nanos}"));
    name
}

/// Removes drafts of `target` that were last written long before `now`, by the clock of their own
/// file system. What cannot be removed is in nobody's way.
fn remove_abandoned(target: &Path, prefix: &OsStr, now: SystemTime) {
    let folder = target.parent().filter(|path| !path.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new(".")));
    for entry in entries.into_iter().flatten().flatten() {
        let is_draft = || {
            let name = entry.file_name();
            let (name, prefix) = (name.as_encoded_bytes(), prefix.as_encoded_bytes());
            name.starts_with(prefix)
        };
        let is_abandoned = || {
            let written = entry.metadata().and_then(|found| found.modified());
            let age = written.ok().and_then(|at| now.duration_since(at).ok());
            age.is_some_and(|age| age >= DRAFT_LIFE)
        };
        if is_draft() && is_abandoned() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes the draft; returns when that was.
fn write(mut own: File, draft: &Path) -> io::Result<SystemTime> {
    let mut options = OpenOptions::new();
    let mut copy = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    io::copy(&mut own, &mut copy)?;
    // The umask may have removed some of it.
    copy.set_permissions(Permissions::from_mode(MODE))?;
    copy.sync_all()?;
    copy.metadata()?.modified()
}
