//! The memory that clients may have this process and the kernel hold for them, in sum over all clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all may take. With what is not counted one by one, the first bytes of each request and each connection's
/// own state, it stays below 32 MiB where few thousand clients misbehave.
const COMMON_BYTES: usize = 20 * 1024 * 1024;

/// What windows may take before that (`upstream::receive_window`).
const WINDOWS_BYTES: usize = 4 * 1024 * 1024;

/// What windows leave of the common part: as much as thirty clients need that take a long body slowly.
const NO_WINDOW_BYTES: usize = 19 * 512 * 1024;

/// What one more client may need that sends or gets a long body.
const LARGE_BYTES: usize = 1024 * 1024;

/// A body of more bytes, or of a length that nobody knows, is a long one.
pub const LONG_BYTES: u64 = 64 * 1024;

/// What is left of the sum.
#[derive(Debug)]
pub struct ClientMemory {
    common: Arc<Free>,
    windows: Arc<Free>,
}

/// The bytes that are left of a part of the sum.
#[derive(Debug)]
struct Free(AtomicUsize);

/// Some of the sum, returned when this is dropped.
#[derive(Debug)]
pub struct MemoryShare {
    of: Arc<Free>,
    bytes: usize,
}

impl Default for ClientMemory {
    /// All of it is left.
    fn default() -> Self {
        let all_of = |bytes| Arc::new(Free(AtomicUsize::new(bytes)));
        Self {
            common: all_of(COMMON_BYTES),
            windows: all_of(WINDOWS_BYTES),
        }
    }
}

impl ClientMemory {
    /// Are `bytes` left?
    pub fn has(&self, bytes: usize) -> bool {
        self.common.0.load(Ordering::Relaxed) >= bytes
    }

    /// Is so little left that nobody should begin with a long body?
    pub fn is_short(&self) -> bool {
        !self.has(LARGE_BYTES)
    }

    /// `bytes` of it, if they are left.
    pub fn take(&self, bytes: usize) -> Option<MemoryShare> {
        MemoryShare::of(&self.common, bytes)
    }

    /// `bytes` of it, if windows may take them.
    pub fn take_for_window(&self, bytes: usize) -> Option<MemoryShare> {
        let own = MemoryShare::of(&self.windows, bytes);
        let is_allowed = || self.has(NO_WINDOW_BYTES + bytes);
        own.or_else(|| is_allowed().then(|| self.take(bytes)).flatten())
    }
}

impl MemoryShare {
    fn of(part: &Arc<Free>, bytes: usize) -> Option<Self> {
        let of = Arc::clone(part);
        let mut share = Self { of, bytes: 0 };
        share.grow_to(bytes).then_some(share)
    }

    /// Makes it at least as large as `bytes`, if they are left.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let less = |free: usize| free.checked_sub(more);
        let free = &self.of.0;
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
        self.of.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_left_until_it_is_returned() {
        let memory = ClientMemory::default();
        let mut first = memory.take(COMMON_BYTES - 10).expect("all is left");
        assert!(memory.has(10) && !memory.has(11));
        assert!(memory.take(11).is_none());
        assert!(!first.grow_to(COMMON_BYTES + 1));
        assert!(first.grow_to(COMMON_BYTES) && first.grow_to(1));
        assert!(memory.take(1).is_none() && memory.take(0).is_some());
        drop(first);
        assert!(memory.has(COMMON_BYTES));
    }

    #[test]
    fn windows_take_their_own_and_leave_others_theirs() {
        const SHARE: usize = 1024 * 1024;
        let memory = ClientMemory::default();
        let mut windows = Vec::new();
        while let Some(window) = memory.take_for_window(SHARE) {
            windows.push(window);
            assert!(memory.has(NO_WINDOW_BYTES));
        }
        assert!(!memory.has(NO_WINDOW_BYTES + SHARE));
        let others = memory.take(NO_WINDOW_BYTES);
        assert!(others.is_some() && memory.take_for_window(1).is_none());
        drop((windows, others));
        assert!(memory.has(COMMON_BYTES) && memory.take(COMMON_BYTES + 1).is_none());
    }
}
