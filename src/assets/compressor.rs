//! Background compression at the best setting, on one thread of the lowest priority.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use rustix::process::setpriority_process;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assets::encoder::{Encoder, Form, PIECE_BYTES};
use crate::assets::hashes::ContentHash;
use crate::assets::store::EncodedStore;

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
    pub(super) fn start(store: Arc<EncodedStore>, encoder: BackgroundEncoder) -> Self {
        let (jobs, queue) = mpsc::channel();
        let pending = watch::Sender::new(Pending::default());
        let worker = CompressorThread {
            jobs: queue,
            pending: pending.clone(),
            store,
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
        let has = |form| self.store.get_form(job.content, form).is_some();
        for form in [Form::GZIP, Form::BEST_BR] {
            if !has(form) {
                self.store_in(job, form);
            }
            if has(Form::GZIP) {
                self.store.remove_original(job.content);
            }
        }
    }

    fn store_in(&self, job: &CompressionJob, form: Form) {
        let Some(body) = self.encoder.encode(&job.body, form) else {
            return;
        };
        debug!(?form, bytes = body.len(), "compressed");
        let length = job.length() as u64;
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
    fn encode(&self, body: &[u8], form: Form) -> Option<Bytes> {
        loop {
            match self.attempt(body, form).ok()? {
                EncodeAttempt::Encoded(body) => return Some(body),
                EncodeAttempt::Draining => return None,
                EncodeAttempt::Yielded => thread::sleep(YIELD_PAUSE),
            }
        }
    }

    fn attempt(&self, body: &[u8], form: Form) -> io::Result<EncodeAttempt> {
        let mut encoder = Encoder::new(form, body.len() as u64)?;
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
        let body = encoder.encode(&original, Form::GZIP).expect("encoded");
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
        assert!(encoder.encode(&[7; 10], Form::BEST_BR).is_none());
    }

    #[tokio::test]
    async fn a_content_is_stored_in_gzip_and_brotli_unless_there_is_no_room() {
        let store = Arc::new(EncodedStore::new(100_000, Arc::default()));
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(|| false));
        let compressor = Compressor::start(Arc::clone(&store), encoder);
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
    async fn a_content_that_is_queued_is_not_queued_again() {
        let store = Arc::new(EncodedStore::new(100_000, Arc::default()));
        let is_held = Arc::new(AtomicUsize::new(1));
        let held = Arc::clone(&is_held);
        let should_yield = move || held.load(Ordering::SeqCst) == 1;
        let encoder = BackgroundEncoder::new(CancellationToken::new(), Box::new(should_yield));
        let compressor = Compressor::start(store, encoder);
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
