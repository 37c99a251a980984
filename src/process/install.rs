//! The `install` command: copies the running binary to a file that another container can run.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// The running binary by its inode, for when its path no longer leads to it.
const SELF: &str = "/proc/self/exe";

/// All users of the shared volume may run the copy, and only its owner may change it.
const MODE: u32 = 0o755;

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
    let draft = draft_beside(target)?;
    let done = write(own, &draft).and_then(|()| fs::rename(&draft, target));
    if done.is_err() {
        // It fails if there is no draft, and then nothing is left to remove.
        let _ = fs::remove_file(&draft);
    }
    done
}

/// A name in the target's own folder, as a rename is atomic only within a file system.
fn draft_beside(target: &Path) -> io::Result<PathBuf> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}", std::process::id()));
    Ok(target.with_file_name(draft))
}

fn write(mut own: File, draft: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut copy = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    io::copy(&mut own, &mut copy)?;
    // The umask may have removed some of it.
    copy.set_permissions(Permissions::from_mode(MODE))?;
    copy.sync_all()
}
