//! The memory that clients may have this process and the kernel hold for them, in sum over all clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum. With what is not counted one by one, the first bytes of each request and each connection's
/// own state, it stays below 32 MiB where few thousand clients misbehave.
const BUDGET_BYTES: usize = 20 * 1024 * 1024;

/// What one more client may need that sends or gets a long body.
const LARGE_BYTES: usize = 1024 * 1024;

/// A body of more bytes, or of a length that nobody knows, is a long one.
pub const LONG_BYTES: u64 = 64 * 1024;

/// What is left of the sum.
#[derive(Debug)]
pub struct ClientMemory {
    free: AtomicUsize,
}

/// A part of the sum, returned when this is dropped.
#[derive(Debug)]
pub struct MemoryShare {
    memory: Arc<ClientMemory>,
    bytes: usize,
}

impl Default for ClientMemory {
    /// All of it is left.
    fn default() -> Self {
        Self {
            free: AtomicUsize::new(BUDGET_BYTES),
        }
    }
}

impl ClientMemory {
    /// Are `bytes` left?
    pub fn has(&self, bytes: usize) -> bool {
        self.free.load(Ordering::Relaxed) >= bytes
    }

    /// Is so little left that nobody should begin with a long body?
    pub fn is_short(&self) -> bool {
        !self.has(LARGE_BYTES)
    }

    /// A part of `bytes`, if they are left.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<MemoryShare> {
        let mut share = MemoryShare {
            memory: Arc::clone(self),
            bytes: 0,
        };
        share.grow_to(bytes).then_some(share)
    }
}

impl MemoryShare {
    /// Makes it at least as large as `bytes`, if they are left.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let less = |free: usize| free.checked_sub(more);
        let free = &self.memory.free;
        let is_there = free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok();
        if is_there {
            self.bytes += more;
        }
        is_there
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.memory.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_left_until_it_is_returned() {
        let memory = Arc::<ClientMemory>::default();
        let mut first = memory.take(BUDGET_BYTES - 10).expect("all is left");
        assert!(memory.has(10) && !memory.has(11));
        assert!(memory.take(11).is_none());
        assert!(!first.grow_to(BUDGET_BYTES + 1));
        assert!(first.grow_to(BUDGET_BYTES) && first.grow_to(1));
        assert!(memory.take(1).is_none() && memory.take(0).is_some());
        drop(first);
        assert!(memory.has(BUDGET_BYTES));
    }
}
