//! The base directory: its layout, and atomic changes of its files.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::random;

/// One t3's base directory.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    root: PathBuf,
}

impl Base {
    /// Names the directory, touching nothing.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Base {
        Base { root: root.into() }
    }

    /// Creates the tree if it is missing, as every t3 command does (contract §1).
    pub(crate) fn create(&self, database: &str) -> io::Result<()> {
        for directory in [
            self.pairing(),
            self.sessions(),
            self.root.join("userdata/logs"),
            self.standin(),
        ] {
            fs::create_dir_all(directory)?;
        }
        let database = self.root.join("userdata").join(database);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o644)
            .open(database)?;
        self.secure_secrets()
    }

    fn secure_secrets(&self) -> io::Result<()> {
        let secrets = self.root.join("userdata/secrets");
        match DirBuilder::new().mode(0o700).create(&secrets) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::set_permissions(&secrets, Permissions::from_mode(0o700)).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("Failed to secure secrets directory: {error}"),
                )
            }),
        }
    }

    /// The key that signs session tokens; created on first use.
    pub(crate) fn signing_key(&self) -> io::Result<Vec<u8>> {
        let path = self.root.join("userdata/secrets/server-signing-key.bin");
        if !path.exists() {
            let draft = draft_of(&path);
            write_new(&draft, &random::bytes::<32>(), 0o600)?;
            let linked = fs::hard_link(&draft, &path);
            fs::remove_file(&draft)?;
            if let Err(error) = linked
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
        }
        fs::read(path)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its absolute path.
    pub(crate) fn absolute(&self) -> PathBuf {
        std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone())
    }

    /// Writes the environment's id where t3 keeps it (contract §1).
    pub(crate) fn note_environment(&self, id: &str) -> io::Result<()> {
        let file = self.root.join("userdata/environment-id");
        replace(&file, format!("{id}\n").as_bytes())
    }

    pub(crate) fn pairing(&self) -> PathBuf {
        self.root.join("userdata/pairing")
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.root.join("userdata/sessions")
    }

    pub(crate) fn runtime_file(&self) -> PathBuf {
        self.root.join("userdata/server-runtime.json")
    }

    /// The stand-in's own folder: faults, locks, records.
    pub(crate) fn standin(&self) -> PathBuf {
        self.root.join("standin")
    }
}

/// Writes `bytes` to `path` atomically.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    write_new(&draft, bytes, 0o600)?;
    fs::rename(draft, path)
}

/// Adds one line in a single write, so that lines of several processes do not mix.
pub(crate) fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)
}

fn draft_of(path: &Path) -> PathBuf {
    path.with_extension(format!("draft-{}", random::trace_id()))
}
