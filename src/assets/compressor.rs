//! Bodies coded at the best setting: one thread of the lowest priority, there while there is work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use rustix::process::setpriority_process;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::assets::encoder::{Coding, Encoder, PIECE_BYTES, Setting};
use crate::assets::response_fields;
use crate::assets::store::{Kept, Store};

/// How many bytes may wait to be coded.
const ROOM_BYTES: usize = 8 * 1024 * 1024;

/// The lowest priority there is.
const NICE: i32 = 19;

/// A body that is to be coded at the best setting.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: Box<str>,
    /// What t3 said of it.
    pub(super) from_t3: Arc<HeaderMap>,
    /// The body as it is, in parts.
    pub(super) parts: Vec<Bytes>,
}

/// Codes bodies, one by one.
#[derive(Debug)]
pub(super) struct Worker {
    store: Arc<Store>,
    best: Best,
    queue: Mutex<Queue>,
    /// How many bytes wait, those that are being coded included.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_running: bool,
}

/// Makes way for another thread if this one fails.
struct Running<'a>(&'a Worker);

impl Worker {
    /// Puts what `best` has coded into `store`.
    pub(super) fn new(store: Arc<Store>, best: Best) -> Self {
        Self {
            store,
            best,
            queue: Mutex::default(),
            waiting: watch::Sender::new(0),
        }
    }

    /// May a body of `length` bytes wait beside those that do?
    pub(super) fn has_room(&self, length: usize) -> bool {
        *self.waiting.borrow() + length <= ROOM_BYTES
    }

    /// Waits until there is nothing left to do.
    pub(super) async fn is_idle(&self) {
        // The sender is here: it cannot be gone.
        let _ = self.waiting.subscribe().wait_for(|bytes| *bytes == 0).await;
    }

    /// Codes `job` when its turn comes; without room for it, never.
    ///
    /// The thread is one of its own, and not one of the runtime's: those serve others too, and
    /// would keep its priority. It ends when there is nothing left to do.
    pub(super) fn push(self: &Arc<Self>, job: Job) {
        let mut queue = self.queue.lock();
        if !self.has_room(job.length()) {
            debug!(name = job.name, "too much to compress already");
            return;
        }
        self.waiting.send_modify(|bytes| *bytes += job.length());
        queue.jobs.push_back(job);
        if queue.is_running {
            return;
        }
        let worker = Arc::clone(self);
        let thread = thread::Builder::new().name("assets".to_owned());
        match thread.spawn(move || worker.run()) {
            Ok(_) => queue.is_running = true,
            Err(error) => {
                warn!(%error, "no thread to compress with");
                self.give_up(&mut queue);
            }
        }
    }

    fn run(&self) {
        let _running = Running(self);
        // For Linux the calling thread alone: whoever serves is not to wait for this.
        if let Err(error) = setpriority_process(None, NICE) {
            debug!(%error, "compressing at the usual priority");
        }
        while let Some(job) = self.next() {
            self.work(&job);
            self.waiting.send_modify(|bytes| *bytes -= job.length());
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        if self.best.is_over() {
            self.give_up(&mut queue);
        }
        let job = queue.jobs.pop_front();
        queue.is_running = job.is_some();
        job
    }

    fn give_up(&self, queue: &mut Queue) {
        queue.jobs.clear();
        self.waiting.send_replace(0);
    }

    /// The quick coding comes first. Who can read zstd can read brotli.
    fn work(&self, job: &Job) {
        let has_gzip = self.store.get(&job.name, |held| held == Coding::Gzip);
        if has_gzip.is_none() {
            self.code(job, Coding::Gzip);
        }
        self.code(job, Coding::Br);
        debug!(name = job.name, "compressed at the best setting");
    }

    fn code(&self, job: &Job, coding: Coding) {
        let Some(body) = self.best.coded(&job.parts, coding) else {
            return;
        };
        let kept = Kept {
            fields: Arc::new(response_fields::of_hashed(&job.from_t3, coding, true)),
            coding,
            body,
            whole: job.parts.iter().map(|part| part.len() as u64).sum(),
            is_codable: true,
        };
        self.store.put(&job.name, kept);
    }
}

impl Job {
    fn length(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut queue = self.0.queue.lock();
            queue.is_running = false;
            self.0.give_up(&mut queue);
        }
    }
}

/// After how many bytes what is coded so far is written down: brotli keeps its notes until then.
const FLUSH_BYTES: usize = 1024 * 1024;

/// How often to ask whether the memory is still needed elsewhere: for seconds, and seldom.
const YIELD_PAUSE: Duration = Duration::from_millis(200);

/// Does something run that needs the memory?
pub type Needed = Box<dyn Fn() -> bool + Send + Sync>;

/// Codes at the best setting.
pub(super) struct Best {
    drain: CancellationToken,
    is_needed: Needed,
}

/// What came of an attempt.
enum Attempt {
    Coded(Bytes),
    /// The memory is needed elsewhere.
    Yielded,
    /// The drain has begun.
    Over,
}

impl Best {
    /// Ends with `drain`, and makes way while `is_needed` says so.
    pub(super) fn new(drain: CancellationToken, is_needed: Needed) -> Self {
        Self { drain, is_needed }
    }

    /// Has the drain begun?
    pub(super) fn is_over(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// The body in `parts`, coded; blocks for as long as it takes. Nothing where the drain comes
    /// first.
    pub(super) fn coded(&self, parts: &[Bytes], coding: Coding) -> Option<Bytes> {
        loop {
            match self.attempt(parts, coding).ok()? {
                Attempt::Coded(body) => return Some(body),
                Attempt::Over => return None,
                Attempt::Yielded => thread::sleep(YIELD_PAUSE),
            }
        }
    }

    fn attempt(&self, parts: &[Bytes], coding: Coding) -> io::Result<Attempt> {
        let length = parts.iter().map(Bytes::len).sum::<usize>();
        let mut encoder = Encoder::new(coding, Setting::Best, length as u64)?;
        let (mut out, mut unflushed) = (Vec::new(), 0);
        for piece in parts.iter().flat_map(|part| part.chunks(PIECE_BYTES)) {
            if self.is_over() {
                return Ok(Attempt::Over);
            }
            if (self.is_needed)() {
                return Ok(Attempt::Yielded);
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
        // Without the room that it grew by.
        Ok(Attempt::Coded(out.into_boxed_slice().into()))
    }
}

impl fmt::Debug for Best {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Best").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_makes_way_while_the_memory_is_needed_and_begins_anew() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Needed at the second and the third piece that is begun.
        let is_needed = move || matches!(counted.fetch_add(1, Ordering::SeqCst), 1 | 2);
        let best = Best::new(CancellationToken::new(), Box::new(is_needed));
        let parts = [vec![7; 2 * PIECE_BYTES].into(), vec![8; 10].into()];
        let body = best.coded(&parts, Coding::Gzip).expect("coded");
        let mut decoder = flate2::read::GzDecoder::new(&body[..]);
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut decoder, &mut plain).expect("a whole body");
        assert_eq!(plain, parts.concat());
        // One piece, none, and then all three.
        assert_eq!(asked.load(Ordering::SeqCst), 2 + 1 + 3);
    }

    #[test]
    fn it_ends_with_the_drain() {
        let drain = CancellationToken::new();
        drain.cancel();
        let best = Best::new(drain, Box::new(|| true));
        assert!(best.coded(&[vec![7; 10].into()], Coding::Br).is_none());
    }
}
