//! A small file as it was at the last look: its content, and the value that it states.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::process::descriptors;

/// The maximum length of a file, in bytes.
pub(super) const MAX_LENGTH: usize = 1 << 20;

/// A file, and what was found in it.
pub(super) struct LookedAt<T> {
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    pub(super) reread_after: Duration,
    pub(super) parse: fn(&[u8]) -> Result<T, &'static str>,
    pub(super) held: Mutex<Held<T>>,
}

/// What was found at the last look.
pub(super) struct Held<T> {
    /// None before the first look.
    pub(super) content: Option<Result<Vec<u8>, io::ErrorKind>>,
    pub(super) value: Option<T>,
    /// When the last look began that has ended.
    pub(super) looked: Instant,
    /// When the look began that is under way.
    pub(super) looking: Option<Instant>,
}

impl<T> LookedAt<T> {
    /// Reads it. Has it changed? An error is returned once, until it changes again.
    pub(super) fn look(&self) -> io::Result<bool> {
        let began = Instant::now();
        let read = read(&self.path);
        let mut held = self.held.lock();
        (held.looked, held.looking) = (began, None);
        let is_first = held.content.is_none();
        if !is_first && read.as_ref().is_err_and(descriptors::are_out) {
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

    pub(super) fn report(&self, looked: io::Result<bool>) {
        match looked {
            Ok(true) => info!("{} has changed", self.what),
            Ok(false) => {}
            Err(error) => warn!(%error, "nobody is let in by a file that is unusable"),
        }
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
