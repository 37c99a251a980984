//! Background compression at the best setting, on one thread of the lowest priority.

use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use http::HeaderMap;
use rustix::process::setpriority_process;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assets::encoder::{Coding, Encoder, PIECE_BYTES, Setting};
use crate::assets::response_fields;
use crate::assets::store::{AssetStore, StoredFile};

/// How many bytes may wait to be encoded.
const QUEUE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The lowest priority there is.
const NICE: i32 = 19;

/// After how many bytes the encoder is flushed: brotli keeps its notes until then.
const FLUSH_BYTES: usize = 1024 * 1024;

/// How long the thread sleeps before it tries again after it has yielded.
const YIELD_PAUSE: Duration = Duration::from_millis(200);

/// Does something run that needs the memory?
pub(super) type ShouldYield = Box<dyn Fn() -> bool + Send + Sync>;

/// A file that is to be encoded at the best setting.
#[derive(Debug)]
pub(super) struct CompressionJob {
    pub(super) name: Box<str>,
    /// The fields of t3's response.
    pub(super) upstream_fields: Arc<HeaderMap>,
    /// The body as t3 sent it.
    pub(super) body: Bytes,
}

/// The queue in front of the thread that encodes.
#[derive(Debug)]
pub(super) struct Compressor {
    jobs: mpsc::Sender<CompressionJob>,
    /// Bytes of all jobs that are queued or being encoded.
    pending_bytes: watch::Sender<usize>,
}

/// The thread that encodes, one file after the other.
struct CompressorThread {
    jobs: mpsc::Receiver<CompressionJob>,
    pending_bytes: watch::Sender<usize>,
    store: Arc<AssetStore>,
    encoder: BackgroundEncoder,
}

/// Encodes at the best setting, and makes way for who needs the memory.
pub(super) struct BackgroundEncoder {
    drain: CancellationToken,
    should_yield: ShouldYield,
}

/// How one run over a body ended.
enum EncodeAttempt {
    Encoded(Bytes),
    /// The memory is needed elsewhere: what was encoded has been dropped.
    Yielded,
    /// The drain has begun.
    Draining,
}

impl Compressor {
    /// Starts the thread, which puts what it has encoded into `store`. It ends with the last of
    /// the jobs once this is dropped.
    ///
    /// It is no thread of the runtime: those would keep its priority and serve others with it.
    pub(super) fn start(store: Arc<AssetStore>, encoder: BackgroundEncoder) -> Self {
        let (jobs, queue) = mpsc::channel();
        let pending_bytes = watch::Sender::new(0);
        let worker = CompressorThread {
            jobs: queue,
            pending_bytes: pending_bytes.clone(),
            store,
            encoder,
        };
        let thread = thread::Builder::new().name("assets".to_owned());
        if let Err(error) = thread.spawn(move || worker.run()) {
            warn!(%error, "no thread for background compression");
        }
        Self {
            jobs,
            pending_bytes,
        }
    }

    /// May a file of `length` bytes be queued now?
    pub(super) fn has_room(&self, length: usize) -> bool {
        *self.pending_bytes.borrow() + length <= QUEUE_LIMIT_BYTES
    }

    /// Waits until every queued file has been encoded.
    pub(super) async fn wait_until_idle(&self) {
        // The sender is here: it cannot be gone.
        let mut pending = self.pending_bytes.subscribe();
        let _ = pending.wait_for(|bytes| *bytes == 0).await;
    }

    /// Queues `job`, or drops it if there is no room.
    pub(super) fn push(&self, job: CompressionJob) {
        let length = job.length();
        if !self.has_room(length) {
            debug!(name = job.name, "background compression is busy");
            return;
        }
        self.pending_bytes.send_modify(|bytes| *bytes += length);
        if self.jobs.send(job).is_err() {
            // The thread has failed.
            self.pending_bytes.send_replace(0);
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
            self.pending_bytes
                .send_modify(|bytes| *bytes -= job.length());
        }
    }

    /// gzip is quick and comes first. A client that accepts zstd accepts brotli too. The file as it is
    /// can be made of gzip's.
    fn compress(&self, job: &CompressionJob) {
        let has_gzip = || {
            let gzip = self.store.get(&job.name, |stored| stored == Coding::Gzip);
            gzip.is_some()
        };
        if !has_gzip() {
            self.store_in(job, Coding::Gzip);
        }
        if has_gzip() {
            self.store.remove(&job.name, Coding::Identity);
        }
        self.store_in(job, Coding::Br);
    }

    fn store_in(&self, job: &CompressionJob, coding: Coding) {
        let Some(body) = self.encoder.encode(&job.body, coding) else {
            return;
        };
        debug!(name = job.name, ?coding, bytes = body.len(), "compressed");
        let fields = response_fields::of_immutable(&job.upstream_fields, coding, true);
        let file = StoredFile {
            fields: Arc::new(fields),
            coding,
            body,
            original_length: job.length() as u64,
            is_compressible: true,
        };
        self.store.put(&job.name, file);
    }
}

impl Drop for CompressorThread {
    /// Nobody waits for a thread that has failed.
    fn drop(&mut self) {
        self.pending_bytes.send_replace(0);
    }
}

impl CompressionJob {
    fn length(&self) -> usize {
        self.body.len()
    }
}

impl BackgroundEncoder {
    /// Ends with `drain`; starts over after a pause while `should_yield`.
    pub(super) fn new(drain: CancellationToken, should_yield: ShouldYield) -> Self {
        Self {
            drain,
            should_yield,
        }
    }

    /// `body`, encoded. Blocks for as long as it takes; `None` if the drain begins
    /// or the encoder fails.
    fn encode(&self, body: &[u8], coding: Coding) -> Option<Bytes> {
        loop {
            match self.attempt(body, coding).ok()? {
                EncodeAttempt::Encoded(body) => return Some(body),
                EncodeAttempt::Draining => return None,
                EncodeAttempt::Yielded => thread::sleep(YIELD_PAUSE),
            }
        }
    }

    fn attempt(&self, body: &[u8], coding: Coding) -> io::Result<EncodeAttempt> {
        let mut encoder = Encoder::new(coding, Setting::Best, body.len() as u64)?;
        let (mut out, mut unflushed) = (Vec::new(), 0);
        for piece in body.chunks(PIECE_BYTES) {
            if self.drain.is_cancelled() {
                return Ok(EncodeAttempt::Draining);
            }
            if (self.should_yield)() {
                return Ok(EncodeAttempt::Yielded);
            }
            encoder.write(piece)?;
            unflushed += piece.len();
            if unflushed >= FLUSH_BYTES {
                encoder.flush()?;
                unflushed = 0;
            }
            out.extend_from_slice(&encoder.take());
        }
        out.extend_from_slice(&encoder.finish()?);
        // Without its spare capacity.
        Ok(EncodeAttempt::Encoded(out.into_boxed_slice().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_yields_while_the_memory_is_needed_and_starts_over() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Needed at the second and the third piece that is begun.
        let should_yield = move || matches!(counted.fetch_add(1, Ordering::SeqCst), 1 | 2);
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(should_yield));
        let original = [vec![7; 2 * PIECE_BYTES], vec![8; 10]].concat();
        let body = encoder.encode(&original, Coding::Gzip).expect("encoded");
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut decoder, &mut plain).expect("a whole body");
        assert_eq!(plain, original);
        // One piece, none, and then all three.
        assert_eq!(asked.load(Ordering::SeqCst), 2 + 1 + 3);
    }

    #[test]
    fn it_ends_with_the_drain() {
        let drain = CancellationToken::new();
        drain.cancel();
        let encoder = BackgroundEncoder::new(drain, Box::new(|| true));
        assert!(encoder.encode(&[7; 10], Coding::Br).is_none());
    }

    #[tokio::test]
    async fn a_job_is_stored_in_gzip_and_brotli_unless_there_is_no_room() {
        let store = Arc::new(AssetStore::new(100_000, Arc::default()));
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(|| false));
        let compressor = Compressor::start(Arc::clone(&store), encoder);
        let job = |name: &str, length| CompressionJob {
            name: name.into(),
            upstream_fields: Arc::default(),
            body: vec![7; length].into(),
        };
        compressor.push(job("/large", QUEUE_LIMIT_BYTES + 1));
        compressor.push(job("/a", 10_000));
        compressor.wait_until_idle().await;
        for coding in [Coding::Gzip, Coding::Br] {
            assert!(store.get("/a", |stored| stored == coding).is_some());
        }
        assert!(store.get("/large", |_| true).is_none());
    }
}
