//! As PID 1, which has to: reaps the processes that the children of this one leave behind.

use parking_lot::Mutex;
use rustix::process::{WaitOptions, getpid, wait};

/// How many children of this process there are whose end is not yet known to who started them.
static OWN_CHILDREN: Mutex<usize> = Mutex::new(0);

/// A child of this process, from before its start until its end is known: meanwhile nothing is reaped, so
/// that its exit status goes to who started it.
#[derive(Debug)]
pub struct OwnChild(());

impl OwnChild {
    /// One that is about to be started.
    pub fn about_to_start() -> Self {
        *OWN_CHILDREN.lock() += 1;
        Self(())
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        *OWN_CHILDREN.lock() -= 1;
        reap();
    }
}

/// Does the system make all orphans children of this process?
pub fn are_inherited() -> bool {
    getpid().is_init()
}

/// Reaps the orphans that have ended. To be called when a child has ended (SIGCHLD).
pub fn reap() {
    let own = OWN_CHILDREN.lock();
    if *own > 0 || !are_inherited() {
        return;
    }
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
