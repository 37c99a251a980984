//! Bodies coded at the best setting: one thread of the lowest priority, there while there is work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use rustix::process::setpriority_process;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::assets::background::Best;
use crate::assets::coding::Coding;
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
