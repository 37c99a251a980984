//! Whether clients use a t3, and since when they do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Requests and tunnels of clients that are under way, and when the last one ended. The dispatcher's own calls
/// are none.
#[derive(Debug)]
pub struct Usage {
    under_way: AtomicU32,
    /// In seconds of [`now`].
    last_end: AtomicI64,
}

/// A request or a tunnel under way, until this is dropped.
#[derive(Debug)]
pub struct InUse(Arc<Usage>);

impl Usage {
    /// Of a t3 that nobody has used: it counts as used until now.
    pub fn new() -> Self {
        Self {
            under_way: AtomicU32::new(0),
            last_end: AtomicI64::new(now()),
        }
    }

    /// A request or a tunnel begins.
    pub fn begin(self: &Arc<Self>) -> InUse {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(self))
    }

    /// How long ago the last one ended, in whole seconds; `None` while one is under way.
    pub fn idle_for(&self) -> Option<Duration> {
        // What ended the last one is seen with it.
        if self.under_way.load(Ordering::Acquire) > 0 {
            return None;
        }
        let last_end = self.last_end.load(Ordering::Relaxed);
        let idle = u64::try_from(now() - last_end);
        Some(Duration::from_secs(idle.unwrap_or_default()))
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.last_end.store(now(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}

/// Seconds of a clock that is read without a system call, and without the processor's.
fn now() -> i64 {
    clock_gettime(ClockId::MonotonicCoarse).tv_sec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_idle_from_the_end_of_the_last_use() {
        let usage = Arc::new(Usage::new());
        let hour = Duration::from_secs(3600);
        // Maybe to before the machine was started.
        let age = |by: i64| usage.last_end.fetch_sub(by, Ordering::Relaxed);
        age(3600);
        assert!(usage.idle_for().is_some_and(|idle| idle >= hour));
        let (request, tunnel) = (usage.begin(), usage.begin());
        assert_eq!(usage.idle_for(), None);
        drop(request);
        assert_eq!(usage.idle_for(), None, "one is left");
        age(3600);
        drop(tunnel);
        assert!(usage.idle_for().is_some_and(|idle| idle < hour));
    }
}
