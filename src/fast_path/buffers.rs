//! Reused buffers: an idle connection holds none, and a busy one allocates none.

use std::cell::RefCell;

/// Room for a request's head, or for all of a small response.
const BUFFER_BYTES: usize = 8 * 1024;

/// How many are kept by a thread: as many as are in use at once where requests are short.
const MOST_KEPT: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with some room.
pub(super) fn take() -> Vec<u8> {
    let kept = KEPT.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
}

/// Makes room for `bytes` more in `buffer`, which becomes one of these if it has none yet.
pub(super) fn make_room(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.capacity() == 0 {
        *buffer = take();
    }
    buffer.reserve(bytes);
}

/// Keeps `buffer` for another use, if there is nothing in it.
pub(super) fn give_if_empty(buffer: &mut Vec<u8>) {
    if buffer.is_empty() {
        give(std::mem::take(buffer));
    }
}

/// Keeps `buffer` for another use, if it has not grown.
pub(super) fn give(mut buffer: Vec<u8>) {
    if (BUFFER_BYTES..=2 * BUFFER_BYTES).contains(&buffer.capacity()) {
        buffer.clear();
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < MOST_KEPT {
                kept.push(buffer);
            }
        });
    }
}
