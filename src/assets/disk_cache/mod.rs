//! The best encodings of files, kept in a directory over a restart. Each is used only after it has decoded to
//! the very bytes that t3 has sent: anybody may write there.
//!
//! One thread reads and writes, as a directory may hang. Who waits for it does so for a bounded time, and not
//! at all until it responds again.

mod directory;
mod index;
mod thread;
mod verify;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::assets::disk_cache::directory::Directory;
use crate::assets::disk_cache::index::{EntryKey, Index, cost};
use crate::assets::disk_cache::thread::{CacheThread, Job};
use crate::assets::encoder::Form;
use crate::assets::hashes::ContentHash;
use crate::config::asset_options::CacheConfig;
use crate::limited;
use crate::metrics::Metrics;

/// How long a fetch waits for what the directory has of its file.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long nobody waits for a directory that has not responded in that time.
const PAUSE: Duration = Duration::from_secs(60);

/// How many bytes may wait to be written.
const QUEUE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Bodies of one content that were kept.
pub(super) type Restored = Vec<(Form, Bytes)>;

/// The directory; switched off, it has nothing and takes nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct DiskCache(Option<Arc<Handle>>);

#[derive(Debug)]
struct Handle {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    /// Held while a content is read: the thread holds the bytes of one at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What the thread tells, and is told.
#[derive(Debug, Default)]
struct Shared {
    index: Mutex<Index>,
    /// Since when the thread is at work.
    busy: Mutex<Option<Instant>>,
    /// When somebody last waited in vain.
    gave_up: Mutex<Option<Instant>>,
    /// How many bytes wait to be written.
    queued: AtomicUsize,
}

impl DiskCache {
    /// Starts the thread, if `config` names a directory. It ends once this is dropped.
    pub(super) fn start(config: &CacheConfig, metrics: &Arc<Metrics>) -> Self {
        let Some(path) = &config.cache_dir else {
            return Self::default();
        };
        let (jobs, queue) = mpsc::channel();
        let shared = Arc::<Shared>::default();
        let thread = CacheThread {
            jobs: queue,
            shared: Arc::clone(&shared),
            path: path.clone(),
            limit_bytes: config.cache_size as u64,
            metrics: Arc::clone(metrics),
        };
        let builder = std::thread::Builder::new().name("cache".to_owned());
        if let Err(error) = builder.spawn(move || thread.run()) {
            limited!(WARN, "no thread for DISPATCHER_CACHE_DIR"; %error);
            return Self::default();
        }
        let turn = tokio::sync::Mutex::default();
        Self(Some(Arc::new(Handle { jobs, shared, turn })))
    }

    /// May it have a content of `length` bytes?
    pub(super) fn may_have_length(&self, length: u64) -> bool {
        let handle = self.0.as_ref().filter(|handle| !handle.shared.is_stuck());
        handle.is_some_and(|handle| handle.shared.index.lock().may_have_length(length))
    }

    /// The bodies that were kept of `content`, which is `original` as t3 has sent it.
    pub(super) async fn restore(&self, content: ContentHash, original: &Bytes) -> Restored {
        let may_have = |handle: &&Arc<Handle>| {
            !handle.shared.is_stuck() && handle.shared.index.lock().may_have(content)
        };
        let Some(handle) = self.0.as_ref().filter(may_have) else {
            return Restored::new();
        };
        match timeout(PATIENCE, handle.restore(content, original)).await {
            Ok(restored) => restored,
            Err(_) => {
                *handle.shared.gave_up.lock() = Some(Instant::now());
                limited!(WARN, "DISPATCHER_CACHE_DIR does not respond: it is not waited for"; patience = ?PATIENCE);
                Restored::new()
            }
        }
    }

    /// Has `body` written, which is a `content` of `length` bytes in `form`.
    pub(super) fn keep(&self, content: ContentHash, length: u64, form: Form, body: &Bytes) {
        let key = EntryKey {
            content,
            length,
            form,
        };
        if let Some(handle) = &self.0
            && !handle.shared.is_stuck()
            && body.len() as u64 <= key.max_bytes()
        {
            handle.keep(key, body);
        }
    }
}

impl Shared {
    /// The thread begins a job.
    fn begins(&self) {
        *self.busy.lock() = Some(Instant::now());
    }

    /// It has done it.
    fn ends(&self) {
        *self.busy.lock() = None;
    }

    /// Does the directory not respond? What were asked of it would wait, and hold memory.
    fn is_stuck(&self) -> bool {
        let is_within = |since: Option<Instant>, period| since.map(|it| it.elapsed() < period);
        is_within(*self.busy.lock(), PATIENCE) == Some(false)
            || is_within(*self.gave_up.lock(), PAUSE) == Some(true)
    }
}

impl Handle {
    async fn restore(&self, content: ContentHash, original: &Bytes) -> Restored {
        let _turn = self.turn.lock().await;
        if self.shared.is_stuck() {
            return Restored::new();
        }
        let (done, restored) = oneshot::channel();
        let original = original.clone();
        let job = Job::Restore {
            content,
            original,
            done,
        };
        // It fails if the thread has.
        let _ = self.jobs.send(job);
        restored.await.unwrap_or_default()
    }

    fn keep(&self, key: EntryKey, body: &Bytes) {
        let queued = &self.shared.queued;
        let before = queued.fetch_add(body.len(), Ordering::Relaxed);
        let body = body.clone();
        let length = body.len();
        if before + length > QUEUE_LIMIT_BYTES || self.jobs.send(Job::Keep { key, body }).is_err() {
            queued.fetch_sub(length, Ordering::Relaxed);
        }
    }
}

/// Opens the directory at `path` as the server does, looks at it and tries to write there; returns what is
/// there, for people. It may hang.
///
/// # Errors
/// If it cannot be used.
pub fn probe(path: &Path) -> io::Result<String> {
    let directory = Directory::open(path)?;
    let entries = directory.list()?;
    directory.try_writing()?;
    let bytes: u64 = entries.iter().map(|entry| cost(entry.bytes)).sum();
    let (path, count, kib) = (path.display(), entries.len(), bytes / 1024);
    Ok(format!("{path} holds {count} files, {kib} KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_hangs_is_waited_for_once() {
        // Nobody takes the jobs.
        let (jobs, queue) = mpsc::channel();
        let (shared, turn) = (Arc::<Shared>::default(), tokio::sync::Mutex::default());
        let cache = DiskCache(Some(Arc::new(Handle { jobs, shared, turn })));
        let (content, body) = (ContentHash::of(b"a"), Bytes::from_static(b"a"));
        assert!(cache.may_have_length(1));
        let start = tokio::time::Instant::now();
        for _ in 0..10 {
            assert!(cache.restore(content, &body).await.is_empty());
            cache.keep(content, 1, Form::GZIP, &body);
        }
        assert_eq!(start.elapsed(), PATIENCE);
        assert!(!cache.may_have_length(1));
        assert_eq!(queue.try_iter().count(), 1, "what they hold is bounded");
    }

    #[test]
    fn what_waits_to_be_written_is_bounded() {
        let (jobs, queue) = mpsc::channel();
        let (shared, turn) = (Arc::<Shared>::default(), tokio::sync::Mutex::default());
        let cache = DiskCache(Some(Arc::new(Handle { jobs, shared, turn })));
        let body = Bytes::from(vec![7; QUEUE_LIMIT_BYTES / 4]);
        for number in 0..9_u8 {
            let length = body.len() as u64;
            cache.keep(ContentHash::of(&[number]), length, Form::GZIP, &body);
        }
        assert_eq!(queue.try_iter().count(), 4);
    }

    #[tokio::test]
    async fn switched_off_it_has_nothing() {
        let cache = DiskCache::default();
        let (content, body) = (ContentHash::of(b"a"), Bytes::from_static(b"a"));
        cache.keep(content, 1, Form::GZIP, &body);
        assert!(!cache.may_have_length(1) && cache.restore(content, &body).await.is_empty());
    }
}
