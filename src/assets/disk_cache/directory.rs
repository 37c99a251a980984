//! The files of the directory: read, written whole or not at all, removed. Whoever may write there does no harm.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, fstat,
    mkdirat, openat, renameat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::assets::disk_cache::index::{Entry, EntryKey, OURS, UNFINISHED};

/// How many files are kept: each costs a look at every start.
pub(super) const MAX_ENTRIES: usize = 4096;

/// How many names are read: others may have made millions.
const MAX_NAMES: usize = 4 * MAX_ENTRIES;

/// From which age on a file that nobody can use is removed: one that is being written is younger.
const STALE_SECONDS: i64 = 600;

/// The directory, as long as it is not removed.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`, and makes it if there is none. A link in its place is refused: it could
    /// lead anywhere.
    ///
    /// # Errors
    /// If it cannot be opened, or is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Behind a slash at its end a link would be followed.
        let path: PathBuf = path.components().collect();
        match mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            // On a file system that is read only, it may be there all the same.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, &path, flags, Mode::empty())?))
    }

    /// Looks at what is there, up to a number of files, and removes what nobody can use: what was left
    /// unfinished, what other versions of the dispatcher wrote, what is too long.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn list(&self) -> io::Result<Vec<Entry>> {
        let (mut entries, now) = (Vec::new(), now());
        for item in Dir::read_from(&self.0)?.take(MAX_NAMES) {
            let item = item?;
            let Some((name, stat)) = self.ours(item.file_name()) else {
                continue;
            };
            let (bytes, used) = (u64::try_from(stat.st_size).unwrap_or(0), stat.st_mtime);
            let key = EntryKey::of_name(name);
            let is_too_long = |key: EntryKey| bytes > key.max_bytes();
            let is_stale = key.is_none() && now.saturating_sub(used) > STALE_SECONDS;
            if is_stale || key.is_some_and(is_too_long) {
                // It stays if it cannot be removed.
                let _ = unlinkat(&self.0, name, AtFlags::empty());
            } else if let Some(key) = key
                && entries.len() < MAX_ENTRIES
            {
                entries.push(Entry { key, bytes, used });
            }
        }
        Ok(entries)
    }

    /// The whole file of `key`. A link is not followed, and nothing else than a file is waited for.
    ///
    /// # Errors
    /// If it is no file, if it is longer than any body of that content, or if it cannot be read.
    pub(super) fn read(&self, key: &EntryKey) -> io::Result<Vec<u8>> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&self.0, key.name(), flags, Mode::empty())?);
        let stat = fstat(&file)?;
        let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if !is_file(&stat) || length > key.max_bytes() {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(length).read_to_end(&mut body)?;
        Ok(body)
    }

    /// Notes that the file of `key` was used now.
    pub(super) fn touch(&self, key: &EntryKey) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        // In a directory that is read only nothing is removed either.
        let _ = utimensat(&self.0, key.name(), &times, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// Writes the file of `key`. It is not synced: what the end of the machine leaves of it is not used.
    ///
    /// # Errors
    /// If it cannot be written; nothing is left of it then.
    pub(super) fn write(&self, key: &EntryKey, body: &[u8]) -> io::Result<Entry> {
        let (unfinished, mut file) = self.new_file()?;
        let written = file.write_all(body).and_then(|()| {
            renameat(&self.0, &unfinished, &self.0, key.name())?;
            Ok(())
        });
        if let Err(error) = written {
            let _ = unlinkat(&self.0, &unfinished, AtFlags::empty());
            return Err(error);
        }
        Ok(Entry {
            key: *key,
            bytes: body.len() as u64,
            used: now(),
        })
    }

    /// Removes the file of `key`; true if it is not there afterwards.
    pub(super) fn remove(&self, key: &EntryKey) -> bool {
        let removed = unlinkat(&self.0, key.name(), AtFlags::empty());
        matches!(removed, Ok(()) | Err(Errno::NOENT))
    }

    /// Writes a file, and removes it.
    ///
    /// # Errors
    /// If files cannot be written there.
    pub(super) fn try_writing(&self) -> io::Result<()> {
        let (unfinished, mut file) = self.new_file()?;
        let written = file.write_all(b"t3-dispatcher check");
        unlinkat(&self.0, &unfinished, AtFlags::empty())?;
        written
    }

    /// A new file of this process, and its name.
    fn new_file(&self) -> io::Result<(String, File)> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since.unwrap_or_default().as_nanos();
        // Other dispatchers that share the directory may have the same process id, each in its own container.
        let name = format!("{UNFINISHED}{}-{nanos}", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.0, &name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok((name, File::from(file)))
    }

    /// The file called `name`, if a dispatcher made it.
    fn ours<'a>(&self, name: &'a CStr) -> Option<(&'a str, Stat)> {
        let name = name.to_str().ok().filter(|name| name.starts_with(OURS))?;
        let stat = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        is_file(&stat).then_some((name, stat))
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::mkfifoat;

    use super::*;
    use crate::assets::encoder::Form;
    use crate::assets::hashes::ContentHash;

    fn key(content: &str) -> EntryKey {
        EntryKey {
            content: ContentHash::of(content.as_bytes()),
            length: 100,
            form: Form::GZIP,
        }
    }

    #[test]
    fn what_was_written_is_listed_and_read() {
        let path = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(path.path()).expect("a directory");
        directory.try_writing().expect("it can be written");
        let key = key("a");
        assert!(directory.read(&key).is_err());
        directory.write(&key, b"before").expect("written");
        directory.write(&key, b"body").expect("written over it");
        let entries = directory.list().expect("listed");
        assert_eq!(
            (entries.len(), entries[0].key, entries[0].bytes),
            (1, key, 4)
        );
        assert_eq!(directory.read(&key).expect("read"), b"body");
        let file = fs::File::options()
            .write(true)
            .open(path.path().join(key.name()));
        file.and_then(|file| file.set_modified(UNIX_EPOCH))
            .expect("dated");
        directory.touch(&key);
        let used = directory.list().expect("listed")[0].used;
        assert!(used.abs_diff(now()) < 100, "{used}");
        assert!(directory.remove(&key) && directory.remove(&key));
        assert_eq!(fs::read_dir(path.path()).expect("a directory").count(), 0);
    }

    /// Whatever has taken a file's place since the directory was looked at.
    #[test]
    fn what_is_no_file_or_too_long_is_an_error_at_once() {
        let path = tempfile::tempdir().expect("a temporary directory");
        let at = |content: &str| path.path().join(key(content).name());
        let directory = Directory::open(path.path()).expect("a directory");
        fs::write(path.path().join("elsewhere"), "body").expect("written");
        symlink(path.path().join("elsewhere"), at("link")).expect("a link");
        symlink("/dev/zero", at("zero")).expect("a link");
        mkfifoat(CWD, at("fifo"), Mode::RWXU).expect("a FIFO");
        fs::create_dir(at("directory")).expect("a directory");
        fs::write(at("long"), vec![0; 100 + 1024 + 1]).expect("written");
        for content in ["link", "zero", "fifo", "directory", "long", "nothing"] {
            assert!(directory.read(&key(content)).is_err(), "{content}");
        }
        assert!(directory.list().expect("listed").is_empty());
        assert!(!at("long").exists() && at("link").is_symlink());
        assert!(!directory.remove(&key("directory")));
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let path = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::open(path.path()).expect("a directory");
        for number in 0..MAX_ENTRIES + 10 {
            fs::write(path.path().join(key(&number.to_string()).name()), "").expect("written");
        }
        assert_eq!(directory.list().expect("listed").len(), MAX_ENTRIES);
    }
}
