//! Where the HTML parser puts what it has read, and what it saw of the head.

use std::sync::Arc;

use bytes::Bytes;
use lol_html::OutputSink;
use parking_lot::Mutex;

/// What the parser makes of what it was given, and what it saw.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    html: Vec<u8>,
    is_unwanted: bool,
    is_settled: bool,
}

impl Sink {
    /// What has come since it was last taken.
    pub(super) fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.lock().html).into()
    }

    /// Nothing is to be put in.
    pub(super) fn refuse(&self) {
        self.0.lock().is_unwanted = true;
    }

    /// Is the head through?
    pub(super) fn is_settled(&self) -> bool {
        self.0.lock().is_settled
    }

    /// The head is through; true where something is to be put in, and that once.
    pub(super) fn settle(&self) -> bool {
        let mut found = self.0.lock();
        let is_first = !std::mem::replace(&mut found.is_settled, true);
        is_first && !found.is_unwanted
    }
}

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().html.extend_from_slice(chunk);
    }
}
