//! A small file that is read again when it changes, as the value that it states.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::time::Instant;
use tracing::{info, warn};

/// The maximum length of a file, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// A file and its value. While it is missing or unusable there is none, which lets nobody in.
pub(super) struct RereadFile<T> {
    what: &'static str,
    path: PathBuf,
    reread_after: Duration,
    parse: fn(&[u8]) -> Result<T, &'static str>,
    held: Mutex<Held<T>>,
}

/// What was found at the last look.
struct Held<T> {
    /// None before the first look.
    content: Option<Result<Vec<u8>, io::ErrorKind>>,
    value: Option<T>,
    looked: Instant,
}

impl<T> RereadFile<T> {
    /// The file at `path`, which messages call `what`. `parse` gives its value, or says what is wrong
    /// with it. It is taken to be what it was for `reread_after`.
    pub(super) fn new(
        what: &'static str,
        path: PathBuf,
        reread_after: Duration,
        parse: fn(&[u8]) -> Result<T, &'static str>,
    ) -> Self {
        let held = Mutex::new(Held {
            content: None,
            value: None,
            looked: Instant::now(),
        });
        Self {
            what,
            path,
            reread_after,
            parse,
            held,
        }
    }

    /// Reads it for the first time.
    ///
    /// # Errors
    /// If it cannot be read, or is not as it should be; it may be later.
    pub(super) fn open(&self) -> io::Result<()> {
        self.look(&mut self.held.lock()).map(drop)
    }

    /// What `judge` says of its value.
    pub(super) fn with<R>(&self, judge: impl FnOnce(Option<&T>) -> R) -> R {
        let mut held = self.held.lock();
        if held.looked.elapsed() >= self.reread_after {
            match self.look(&mut held) {
                Ok(true) => info!("{} has changed", self.what),
                Ok(false) => {}
                Err(error) => warn!(%error, "nobody is let in by a file that is unusable"),
            }
        }
        judge(held.value.as_ref())
    }

    /// Reads it. Has it changed? An error is returned once, until it changes again.
    fn look(&self, held: &mut Held<T>) -> io::Result<bool> {
        held.looked = Instant::now();
        let read = read(&self.path);
        let is_first = held.content.is_none();
        if !is_first && read.as_ref().is_err_and(is_of_this_process) {
            return Ok(false);
        }
        let content = read.as_ref().map(Vec::clone).map_err(io::Error::kind);
        if held.content.as_ref() == Some(&content) {
            return Ok(false);
        }
        held.content = Some(content);
        held.value = None;
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let value = read.and_then(|content| (self.parse)(&content).map_err(invalid));
        held.value = Some(value.map_err(|error| {
            let text = format!("{}, {}: {error}", self.what, self.path.display());
            io::Error::new(error.kind(), text)
        })?);
        Ok(true)
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_LENGTH as u64 + 1).read_to_end(&mut content)?;
    match content.len() > MAX_LENGTH {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(content),
    }
}

/// Does it say nothing about the file? This process, or the machine, has no descriptor left.
fn is_of_this_process(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// Without its value, which may be secret.
impl<T> std::fmt::Debug for RereadFile<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("RereadFile");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &[u8]) -> Result<usize, &'static str> {
        match content {
            b"" => Err("it is empty"),
            content => Ok(content.len()),
        }
    }

    #[test]
    fn its_value_is_that_of_its_content_at_the_last_look() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let file = RereadFile::new("the file", path.clone(), Duration::ZERO, parse);
        let value = || file.with(|value| value.copied());
        assert!(file.open().is_err());
        assert_eq!(value(), None, "missing");
        for (content, expected) in [
            (&b"one"[..], Some(3)),
            // The same length, perhaps in the same moment.
            (b"two", Some(3)),
            (b"", None),
            (b"", None),
            (b"three", Some(5)),
            (&[b'x'; MAX_LENGTH], Some(MAX_LENGTH)),
            (&[b'x'; MAX_LENGTH + 1], None),
            (b"x", Some(1)),
        ] {
            std::fs::write(&path, content).expect("writable");
            assert_eq!(value(), expected, "{} bytes", content.len());
        }
        std::fs::remove_file(&path).expect("there");
        assert_eq!(value(), None, "gone");
        assert!(!format!("{file:?}").contains("three"));
    }

    #[test]
    fn an_error_is_reported_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let file = RereadFile::new("the file", path.clone(), Duration::MAX, parse);
        let look = || file.look(&mut file.held.lock());
        let text = look().expect_err("it is missing").to_string();
        assert!(
            text.contains("the file, ") && text.contains("file: "),
            "{text}"
        );
        assert!(!look().expect("no news"));
        std::fs::write(&path, "").expect("writable");
        assert!(look().is_err());
        assert!(!look().expect("no news"));
        std::fs::write(&path, "x").expect("writable");
        assert!(look().expect("there"));
        assert!(!look().expect("no news"));
    }
}
