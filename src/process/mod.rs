//! The tasks of the process: started here, and awaited when the server drains.

pub mod allocator;
pub mod cell_rate;
pub mod client_memory;
pub mod descriptors;
pub mod install;
pub mod interrupt;
pub mod large_programs;
pub mod listener_owner;
pub mod log_limit;
pub mod lru_cache;
pub mod name_lookup;
pub mod operator_command;
pub mod orphans;
pub mod own_thread;
pub mod peer_loss;
pub mod process_group;
pub mod reach;
pub mod unsent;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::process::large_programs::LargePrograms;

/// Keeps other processes of the same user from tracing this one, and from reading its memory and its
/// environment (prctl(2), `PR_SET_DUMPABLE`). It then dumps no core. What it executes is not affected.
///
/// # Errors
/// If the system does not allow it.
pub fn forbid_inspection() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from)
}

/// The name of the machine or container that this runs on.
pub fn host_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// Starts tasks, and waits for the end of all of them at the drain.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tracker: TaskTracker,
    is_leaving: AtomicBool,
    drain: Stop,
    cut: Stop,
    large_programs: LargePrograms,
}

/// A token, and a flag that it has been cancelled: read for every request, for which the token would
/// take a lock.
#[derive(Debug, Default)]
struct Stop {
    token: CancellationToken,
    is_given: AtomicBool,
}

/// A stop as one task polls it: often, and woken by it once.
#[derive(Debug)]
pub struct Signal<'a> {
    stop: &'a Stop,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    is_registered: bool,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct AbortOnDrop(JoinHandle<()>);

impl Tasks {
    /// Starts a task that ends when the returned handle is dropped; the drain waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortOnDrop {
        AbortOnDrop(self.0.tracker.spawn(task))
    }

    /// Starts a task without a handle; the drain waits for it.
    pub fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tracker.spawn(task);
    }

    /// Starts a task that the drain ends at once.
    pub fn until_drained(&self, task: impl Future<Output = ()> + Send + 'static) {
        let drain = self.drain().clone();
        // Boxed: an async block keeps what it is given beside what it makes of it, for each level again.
        let task = Box::pin(task);
        self.detach(async move {
            drain.run_until_cancelled(task).await;
        });
    }

    /// The process will end: what is answered from now on is the last on its connection.
    pub fn leave(&self) {
        self.0.is_leaving.store(true, Ordering::Release);
    }

    /// Will the process end? Requests are taken until the drain begins.
    pub fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Ordering::Acquire)
    }

    /// Cancelled when the drain begins: no new request may begin.
    pub fn drain(&self) -> &CancellationToken {
        &self.0.drain.token
    }

    /// Has the drain begun?
    pub fn is_draining(&self) -> bool {
        self.0.drain.is_given()
    }

    /// The drain, for the task that will poll it.
    pub fn drain_signal(&self) -> Signal<'_> {
        self.0.drain.signal()
    }

    /// Cancelled at the drain's deadline: every task ends now.
    pub fn cut(&self) -> &CancellationToken {
        &self.0.cut.token
    }

    /// The programs under way that take much memory.
    pub fn large_programs(&self) -> &LargePrograms {
        &self.0.large_programs
    }

    /// The cut, for the task that will poll it.
    pub fn cut_signal(&self) -> Signal<'_> {
        self.0.cut.signal()
    }

    /// Begins the drain, cuts the tasks that are left after `deadline`, calls `at_cut` then, and
    /// waits for at most `grace` more. True if all have ended by then.
    pub async fn finish(&self, deadline: Duration, grace: Duration, at_cut: impl FnOnce()) -> bool {
        let tracker = &self.0.tracker;
        self.leave();
        self.0.drain.give();
        tracker.close();
        if tokio::time::timeout(deadline, tracker.wait()).await.is_ok() {
            return true;
        }
        self.0.cut.give();
        at_cut();
        tokio::time::timeout(grace, tracker.wait()).await.is_ok()
    }
}

impl Stop {
    fn give(&self) {
        self.is_given.store(true, Ordering::Release);
        self.token.cancel();
    }

    fn is_given(&self) -> bool {
        self.is_given.load(Ordering::Acquire)
    }

    fn signal(&self) -> Signal<'_> {
        Signal {
            stop: self,
            waiting: Box::pin(self.token.clone().cancelled_owned()),
            is_registered: false,
        }
    }
}

impl Signal<'_> {
    /// Has it been given? The first call registers the task of `cx`, which must make all further
    /// ones, to be woken when it is.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_registered {
            return self.stop.is_given();
        }
        self.is_registered = true;
        self.waiting.as_mut().poll(cx).is_ready()
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
