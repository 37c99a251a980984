//! A file's content where that may have changed, told by its times and its place.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::routes::table_file::MAX_LENGTH;

/// How old a change of a file must be, in seconds, so that a later one cannot have the same time.
const SETTLED_AFTER: i64 = 2;

/// What changes with a file, and with what a link to it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Would another change have another time by now? That of a file is only as exact as the clock's tick.
    pub(super) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs() as i64;
        (now - self.changed.0).abs() > SETTLED_AFTER
    }
}

/// The content of the file at `path`, and its stamp; none where that is `known`.
pub(super) fn read(path: &Path, known: Option<Stamp>) -> io::Result<Option<(Stamp, Vec<u8>)>> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    if known == Some(stamp) {
        return Ok(None);
    }
    let mut content = Vec::new();
    // One byte too many is an error of the table.
    file.take(MAX_LENGTH as u64 + 1).read_to_end(&mut content)?;
    Ok(Some((stamp, content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "{}").expect("writable");
        let (stamp, _) = read(&path, None).expect("there").expect("new");
        assert!(!stamp.is_settled(), "another change may have the same time");
        assert!(read(&path, Some(stamp)).expect("there").is_none());
        let earlier = Stamp {
            changed: (stamp.changed.0 - 3, 0),
            ..stamp
        };
        assert!(earlier.is_settled());
        assert!(read(&path, Some(earlier)).expect("there").is_some());
    }
    /// As Kubernetes changes the file of a ConfigMap: by a link to another folder.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        for folder in ["one", "two"] {
            std::fs::create_dir(at(folder)).expect("writable");
            std::fs::write(at(folder).join("people.json"), folder).expect("writable");
        }
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, at(name)).expect("writable");
        };
        link("one", "data");
        link("data/people.json", "people.json");
        let path = at("people.json");
        let (stamp, _) = read(&path, None).expect("there").expect("new");
        link("two", "new");
        std::fs::rename(at("new"), at("data")).expect("writable");
        let (_, content) = read(&path, Some(stamp)).expect("there").expect("new");
        assert_eq!(content, b"two");
    }
}
