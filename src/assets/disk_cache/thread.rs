//! The thread that reads and writes the directory, one file after the other.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::assets::disk_cache::directory::{Directory, MAX_ENTRIES};
use crate::assets::disk_cache::index::{self, EntryKey};
use crate::assets::disk_cache::{Restored, Shared, verify};
use crate::assets::hashes::ContentHash;
use crate::limited;
use crate::metrics::Metrics;
use crate::metrics::requests::CacheEvent;

/// How old the last look at the directory may be when something is written: others may write there, too.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What the thread is to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Read what there is of a content.
    Restore {
        content: ContentHash,
        /// As t3 has sent it.
        original: Bytes,
        done: oneshot::Sender<Restored>,
    },
    /// Write a file.
    Keep { key: EntryKey, body: Bytes },
}

/// The thread.
pub(super) struct CacheThread {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    /// The most that the files may take.
    pub(super) limit_bytes: u64,
    pub(super) metrics: Arc<Metrics>,
}

/// The directory as it was when it was last looked at.
struct Looked {
    /// `None` if it could not be used.
    directory: Option<Directory>,
    at: Instant,
}

impl CacheThread {
    /// Works until nobody has a job for it any more.
    pub(super) fn run(self) {
        self.shared.begins();
        let mut looked = self.look();
        self.shared.ends();
        while let Ok(job) = self.jobs.recv() {
            self.shared.begins();
            match job {
                Job::Restore { done, .. } if done.is_closed() => {}
                Job::Restore {
                    content,
                    original,
                    done,
                } => {
                    let directory = looked.directory.as_ref();
                    let restored = directory.map(|it| self.restore(it, content, &original));
                    drop(original);
                    // It fails if nobody waits any more.
                    let _ = done.send(restored.unwrap_or_default());
                }
                Job::Keep { key, body } => {
                    if looked.at.elapsed() > LOOK_AGAIN {
                        looked = self.look();
                    }
                    if let Some(directory) = &looked.directory {
                        self.keep(directory, &key, &body);
                    }
                    self.shared.queued.fetch_sub(body.len(), Ordering::Relaxed);
                }
            }
            self.shared.ends();
        }
    }

    /// Opens the directory and looks at what is there. What is too much is removed.
    fn look(&self) -> Looked {
        let opened = Directory::open(&self.path).and_then(|it| Ok((it.list()?, it)));
        let (entries, directory) = match opened {
            Ok((entries, directory)) => (entries, Some(directory)),
            Err(error) => {
                let path = self.path.display();
                self.metrics.asset_cache(CacheEvent::Failed);
                limited!(WARN, "DISPATCHER_CACHE_DIR cannot be used"; %path, %error);
                (Vec::new(), None)
            }
        };
        self.shared.index.lock().replace(entries);
        if let Some(directory) = &directory {
            self.make_room(directory, 0);
        }
        Looked {
            directory,
            at: Instant::now(),
        }
    }

    /// What there is of `content`, which is `original`.
    fn restore(&self, directory: &Directory, content: ContentHash, original: &[u8]) -> Restored {
        let keys: Vec<_> = self.shared.index.lock().of(content).collect();
        let restored = |key: &EntryKey| {
            let body = self.verified(directory, key, original)?;
            self.metrics.asset_cache(CacheEvent::Restored);
            Some((key.form, body))
        };
        keys.iter().filter_map(restored).collect()
    }

    /// The body of `key`, if it decodes to `original`; otherwise the file is removed.
    fn verified(&self, directory: &Directory, key: &EntryKey, original: &[u8]) -> Option<Bytes> {
        let error = match directory.read(key) {
            Ok(body) if verify::decodes_to(key.form, &body, original) => {
                directory.touch(key);
                return Some(body.into());
            }
            Ok(_) => None,
            Err(error) => Some(error),
        };
        self.shared.index.lock().remove(key);
        // Another dispatcher may have removed it, which is as well.
        if error.as_ref().map(std::io::Error::kind) != Some(ErrorKind::NotFound) {
            directory.remove(key);
            let (name, error) = (key.name(), error.map(tracing::field::display));
            self.metrics.asset_cache(CacheEvent::Refused);
            limited!(WARN, "a file in DISPATCHER_CACHE_DIR is not what t3 sends: it is made anew"; name, error);
        }
        None
    }

    fn keep(&self, directory: &Directory, key: &EntryKey, body: &Bytes) {
        let cost = index::cost(body.len() as u64);
        if self.shared.index.lock().has(key) || !self.make_room(directory, cost) {
            return;
        }
        match directory.write(key, body) {
            Ok(entry) => {
                self.metrics.asset_cache(CacheEvent::Written);
                self.shared.index.lock().add(entry);
            }
            Err(error) => {
                let path = self.path.display();
                self.metrics.asset_cache(CacheEvent::Failed);
                limited!(WARN, "nothing is written to DISPATCHER_CACHE_DIR"; %path, %error);
            }
        }
    }

    /// Removes the least recently used files until `bytes` more have room; false if they have none.
    fn make_room(&self, directory: &Directory, bytes: u64) -> bool {
        let Some(most) = self.limit_bytes.checked_sub(bytes) else {
            return false;
        };
        let most_entries = MAX_ENTRIES - usize::from(bytes > 0);
        let oldest = || self.shared.index.lock().oldest_beyond(most_entries, most);
        while let Some(key) = oldest() {
            if !directory.remove(&key) {
                return false;
            }
            self.shared.index.lock().remove(&key);
        }
        true
    }
}
