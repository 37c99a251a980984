//! Background compression at the best setting, on one thread of the lowest priority.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use rustix::process::setpriority_process;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::assets::background_encoder::BackgroundEncoder;
use crate::assets::disk_cache::DiskCache;
use crate::assets::encoder::Form;
use crate::assets::hashes::ContentHash;
use crate::assets::store::EncodedStore;

/// How many bytes may wait to be encoded.
const QUEUE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The lowest priority there is.
const NICE: i32 = 19;

/// A content that is to be encoded at the best setting.
#[derive(Debug)]
pub(super) struct CompressionJob {
    pub(super) content: ContentHash,
    /// As t3 sent it.
    pub(super) body: Bytes,
}

/// What is queued or being encoded.
#[derive(Debug, Default)]
struct Pending {
    contents: HashSet<ContentHash>,
    bytes: usize,
}

/// The queue in front of the thread that encodes.
#[derive(Debug)]
pub(super) struct Compressor {
    jobs: mpsc::Sender<CompressionJob>,
    pending: watch::Sender<Pending>,
}

/// The thread that encodes, one file after the other.
struct CompressorThread {
    jobs: mpsc::Receiver<CompressionJob>,
    pending: watch::Sender<Pending>,
    store: Arc<EncodedStore>,
    on_disk: DiskCache,
    encoder: BackgroundEncoder,
}

impl Compressor {
    /// Starts the thread, which puts what it has encoded into `store`, and has it kept `on_disk`. It ends with
    /// the last of the jobs once this is dropped.
    ///
    /// It is no thread of the runtime: those would keep its priority and serve others with it.
    pub(super) fn start(
        store: Arc<EncodedStore>,
        on_disk: DiskCache,
        encoder: BackgroundEncoder,
    ) -> Self {
        let (jobs, queue) = mpsc::channel();
        let pending = watch::Sender::new(Pending::default());
        let worker = CompressorThread {
            jobs: queue,
            pending: pending.clone(),
            store,
            on_disk,
            encoder,
        };
        let thread = thread::Builder::new().name("assets".to_owned());
        if let Err(error) = thread.spawn(move || worker.run()) {
            warn!(%error, "no thread for background compression");
        }
        Self { jobs, pending }
    }

    /// Waits until every queued content has been encoded.
    pub(super) async fn wait_until_idle(&self) {
        // The sender is here: it cannot be gone.
        let mut pending = self.pending.subscribe();
        let _ = pending.wait_for(|pending| pending.bytes == 0).await;
    }

    /// Queues `job` unless its content is queued, or drops it if there is no room.
    pub(super) fn push(&self, job: CompressionJob) {
        let is_queued = self.pending.send_if_modified(|pending| {
            let has_room = pending.bytes + job.length() <= QUEUE_LIMIT_BYTES;
            let is_new = has_room && pending.contents.insert(job.content);
            pending.bytes += if is_new { job.length() } else { 0 };
            is_new
        });
        if !is_queued {
            debug!(
                bytes = job.length(),
                "background compression is busy, or has it"
            );
        } else if self.jobs.send(job).is_err() {
            // The thread has failed.
            self.pending.send_replace(Pending::default());
        }
    }
}

impl CompressorThread {
    fn run(self) {
        // On Linux this is the priority of the calling thread only.
        if let Err(error) = setpriority_process(None, NICE) {
            debug!(%error, "background compression runs at the usual priority");
        }
        while let Ok(job) = self.jobs.recv() {
            self.compress(&job);
            self.pending.send_modify(|pending| {
                pending.contents.remove(&job.content);
                pending.bytes -= job.length();
            });
        }
    }

    /// gzip is quick and comes first. A client that accepts zstd accepts brotli too. The content as it is
    /// can be made of gzip's.
    fn compress(&self, job: &CompressionJob) {
        for form in Form::BACKGROUND {
            self.store_in(job, form);
            if self.store.get_form(job.content, Form::GZIP).is_some() {
                self.store.remove_original(job.content);
            }
        }
    }

    /// Stores it, and keeps it over a restart: also what was made for a client meanwhile.
    fn store_in(&self, job: &CompressionJob, form: Form) {
        let length = job.length() as u64;
        if let Some(body) = self.store.get_form(job.content, form) {
            return self.on_disk.keep(job.content, length, form, &body);
        }
        let Some(body) = self.encoder.encode(&job.body, form) else {
            return;
        };
        debug!(?form, bytes = body.len(), "compressed");
        self.on_disk.keep(job.content, length, form, &body);
        self.store.put(job.content, length, form, body);
    }
}

impl Drop for CompressorThread {
    /// Nobody waits for a thread that has failed.
    fn drop(&mut self) {
        self.pending.send_replace(Pending::default());
    }
}

impl CompressionJob {
    fn length(&self) -> usize {
        self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::assets::encoder::{self, Coding};
    use crate::config::asset_options::CacheConfig;

    #[tokio::test]
    async fn a_content_is_stored_in_gzip_and_brotli_unless_there_is_no_room() {
        let store = Arc::new(EncodedStore::new(100_000, Arc::default()));
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(|| false));
        let compressor = Compressor::start(Arc::clone(&store), DiskCache::default(), encoder);
        let (large, small) = (vec![7; QUEUE_LIMIT_BYTES + 1], vec![7; 10_000]);
        let contents = [&large, &small].map(|body| ContentHash::of(body));
        for (content, body) in contents.into_iter().zip([large, small]) {
            let body = body.into();
            compressor.push(CompressionJob { content, body });
        }
        compressor.wait_until_idle().await;
        for form in Form::ALL {
            let is_made = matches!(form, Form::GZIP | Form::BEST_BR);
            assert_eq!(
                store.get_form(contents[1], form).is_some(),
                is_made,
                "{form:?}"
            );
        }
        assert!(store.get(contents[0], |_| true).is_none());
    }

    #[tokio::test]
    async fn what_was_made_for_a_client_is_kept_over_a_restart_too() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = CacheConfig {
            cache_dir: Some(dir.path().join("cache")),
            cache_size: 1 << 20,
        };
        let on_disk = DiskCache::start(&config, &Arc::default());
        let store = Arc::new(EncodedStore::new(100_000, Arc::default()));
        let body = Bytes::from(vec![7; 1000]);
        let content = ContentHash::of(&body);
        let made = encoder::encode(Coding::Gzip, &body).await.expect("encoded");
        store.put(content, 1000, Form::fast(Coding::Gzip), made);
        let background = BackgroundEncoder::new(CancellationToken::new(), Box::new(|| false));
        let compressor = Compressor::start(store, on_disk.clone(), background);
        let original = body.clone();
        compressor.push(CompressionJob { content, body });
        compressor.wait_until_idle().await;
        let all = async {
            while on_disk.restore(content, &original).await.len() < Form::BACKGROUND.len() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), all).await.expect("both");
    }

    #[tokio::test]
    async fn a_content_that_is_queued_is_not_queued_again() {
        let store = Arc::new(EncodedStore::new(100_000, Arc::default()));
        let is_held = Arc::new(AtomicUsize::new(1));
        let held = Arc::clone(&is_held);
        let should_yield = move || held.load(Ordering::SeqCst) == 1;
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(should_yield));
        let compressor = Compressor::start(store, DiskCache::default(), encoder);
        let body = Bytes::from_static(&[7; 1000]);
        for _ in 0..3 {
            let (content, body) = (ContentHash::of(&body), body.clone());
            compressor.push(CompressionJob { content, body });
        }
        assert_eq!(compressor.pending.borrow().bytes, 1000);
        is_held.store(0, Ordering::SeqCst);
        compressor.wait_until_idle().await;
        assert!(compressor.pending.borrow().contents.is_empty());
    }
}
