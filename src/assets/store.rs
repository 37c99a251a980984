//! The store of encoded contents, bounded in bytes; the least recently used goes first.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::assets::bodies::Bodies;
use crate::assets::encoder::{Coding, Form};
use crate::assets::hashes::ContentHash;
use crate::metrics::Metrics;

/// A content in one coding.
#[derive(Debug, Clone)]
pub(super) struct StoredBody {
    pub(super) coding: Coding,
    pub(super) body: Bytes,
}

/// Contents by hash and form, of whatever t3.
#[derive(Debug)]
pub(super) struct EncodedStore {
    metrics: Arc<Metrics>,
    bodies: Mutex<Bodies>,
}

impl EncodedStore {
    /// An empty store for at most `limit_bytes`, the overhead and what is reserved included.
    pub(super) fn new(limit_bytes: usize, metrics: Arc<Metrics>) -> Self {
        let bodies = Mutex::new(Bodies::new(limit_bytes));
        Self { metrics, bodies }
    }

    /// The smallest body of `content` in a coding that the client `accepts`.
    pub(super) fn get(
        &self,
        content: ContentHash,
        accepts: impl Fn(Coding) -> bool,
    ) -> Option<StoredBody> {
        let mut bodies = self.bodies.lock();
        let forms = Form::ALL.into_iter().filter(|form| accepts(form.coding));
        let (_, form) = forms
            .filter_map(|form| Some((bodies.body_length((content, form))?, form)))
            .min_by_key(|(length, _)| *length)?;
        Some(StoredBody {
            coding: form.coding,
            body: bodies.get((content, form))?,
        })
    }

    /// The body of `content` in exactly that `form`.
    pub(super) fn get_form(&self, content: ContentHash, form: Form) -> Option<Bytes> {
        self.bodies.lock().get((content, form))
    }

    /// Stores the `body` of a `content` of `length` bytes in `form`. Returns what is stored of it then; `None` if
    /// there is no room.
    pub(super) fn put(
        &self,
        content: ContentHash,
        length: u64,
        form: Form,
        body: Bytes,
    ) -> Option<Bytes> {
        self.change(|bodies| bodies.put((content, form), length, body))
    }

    /// Is `content` there in every form that background compression makes?
    pub(super) fn is_complete(&self, content: ContentHash) -> bool {
        let bodies = self.bodies.lock();
        let has = |form| bodies.body_length((content, form)).is_some();
        Form::BACKGROUND.into_iter().all(has)
    }

    /// Is any content of `length` bytes there?
    pub(super) fn has_length(&self, length: u64) -> bool {
        self.bodies.lock().has_length(length)
    }

    /// Drops the bytes of `content` without a coding.
    pub(super) fn remove_original(&self, content: ContentHash) {
        self.change(|bodies| bodies.remove((content, Form::IDENTITY)));
    }

    /// Takes `bytes` of the store's for something else that is kept of files; false if all of that takes
    /// half of it already.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        self.change(|bodies| bodies.reserve(bytes))
    }

    /// Gives `bytes` back that were reserved.
    pub(super) fn release(&self, bytes: usize) {
        self.change(|bodies| bodies.release(bytes));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Bodies) -> T) -> T {
        let mut bodies = self.bodies.lock();
        let changed = change(&mut bodies);
        self.metrics.asset_store(bodies.bytes() as u64);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::bodies::OVERHEAD_BYTES;

    fn store_of(limit: usize) -> EncodedStore {
        EncodedStore::new(limit, Arc::default())
    }

    fn hash(name: &str) -> ContentHash {
        ContentHash::of(name.as_bytes())
    }

    fn put(store: &EncodedStore, name: &str, coding: Coding, length: usize) {
        let body = vec![0; length].into();
        store.put(hash(name), 9, Form::fast(coding), body);
    }

    fn length(store: &EncodedStore, name: &str, coding: Coding) -> Option<usize> {
        let stored = store.get(hash(name), |stored| stored == coding)?;
        Some(stored.body.len())
    }

    fn bytes(store: &EncodedStore) -> usize {
        store.bodies.lock().bytes()
    }

    #[test]
    fn the_smallest_body_that_the_client_accepts_is_found() {
        let store = store_of(100_000);
        put(&store, "a", Coding::Gzip, 30);
        put(&store, "a", Coding::Br, 20);
        let best = store.get(hash("a"), |_| true).expect("two are there");
        assert_eq!(best.coding, Coding::Br);
        assert_eq!(length(&store, "a", Coding::Gzip), Some(30));
        assert_eq!(length(&store, "a", Coding::Zstd), None);
        assert!(store.get(hash("a"), |_| false).is_none());
        assert_eq!(length(&store, "b", Coding::Br), None);
    }

    #[test]
    fn the_best_brotli_replaces_the_fast_unless_that_is_smaller() {
        for (best, forms, smallest) in [(20, 1, 20), (30, 1, 30), (31, 2, 30)] {
            let store = store_of(100_000);
            put(&store, "a", Coding::Br, 30);
            let body = vec![0; best].into();
            store.put(hash("a"), 9, Form::BEST_BR, body);
            assert_eq!(store.bodies.lock().len(), forms, "{best}");
            assert_eq!(length(&store, "a", Coding::Br), Some(smallest), "{best}");
            // A strong tag promises the same bytes each time.
            let fast = store.get_form(hash("a"), Form::fast(Coding::Br));
            assert_eq!(fast.is_some(), forms == 2, "{best}");
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let store = store_of(3 * (1000 + OVERHEAD_BYTES));
        for name in ["a", "b", "c"] {
            put(&store, name, Coding::Br, 1000);
        }
        assert_eq!(length(&store, "a", Coding::Br), Some(1000));
        put(&store, "d", Coding::Br, 1000);
        assert_eq!(length(&store, "b", Coding::Br), None);
        for name in ["a", "c", "d"] {
            assert_eq!(length(&store, name, Coding::Br), Some(1000), "{name}");
        }
        put(&store, "e", Coding::Br, 2000);
        assert_eq!(length(&store, "d", Coding::Br), Some(1000));
        assert_eq!(store.bodies.lock().len(), 2);
        put(&store, "f", Coding::Br, 100_000);
        assert_eq!(length(&store, "f", Coding::Br), None, "too large");
        assert_eq!(length(&store, "e", Coding::Br), Some(2000));
    }

    #[test]
    fn what_is_being_sent_is_not_dropped() {
        let store = store_of(3 * (1000 + OVERHEAD_BYTES));
        for name in ["a", "b", "c"] {
            put(&store, name, Coding::Br, 1000);
        }
        let sent = store.get(hash("a"), |_| true);
        for name in ["b", "c"] {
            assert!(length(&store, name, Coding::Br).is_some());
        }
        put(&store, "d", Coding::Br, 2000);
        assert_eq!(length(&store, "a", Coding::Br), Some(1000));
        put(&store, "e", Coding::Br, 3000);
        assert_eq!(length(&store, "e", Coding::Br), None, "there is no room");
        drop(sent);
        put(&store, "e", Coding::Br, 3000);
        assert_eq!(length(&store, "e", Coding::Br), Some(3000));
    }

    #[test]
    fn a_content_is_complete_with_gzip_and_the_best_brotli() {
        let (store, content) = (store_of(100_000), hash("a"));
        put(&store, "a", Coding::Identity, 9);
        put(&store, "a", Coding::Gzip, 2);
        put(&store, "a", Coding::Br, 3);
        assert!(!store.is_complete(content));
        store.put(content, 9, Form::BEST_BR, vec![0].into());
        assert!(store.is_complete(content));
        store.remove_original(content);
        store.remove_original(content);
        assert_eq!(length(&store, "a", Coding::Identity), None);
        assert_eq!(bytes(&store), 3 + 2 * OVERHEAD_BYTES);
    }

    #[test]
    fn what_is_reserved_is_part_of_the_limit() {
        let store = store_of(2 * (1000 + OVERHEAD_BYTES));
        put(&store, "a", Coding::Br, 1000);
        put(&store, "b", Coding::Br, 1000);
        assert!(store.reserve(500) && store.reserve(500));
        assert!(!store.reserve(500), "more than half");
        assert_eq!(length(&store, "a", Coding::Br), None);
        assert_eq!(bytes(&store), 2000 + OVERHEAD_BYTES);
        store.release(1000);
        put(&store, "a", Coding::Br, 1000);
        assert_eq!(length(&store, "b", Coding::Br), Some(1000));
        assert!(store.has_length(9));
    }

    #[test]
    fn nothing_is_stored_with_a_limit_of_zero() {
        let store = store_of(0);
        put(&store, "a", Coding::Br, 0);
        assert_eq!(length(&store, "a", Coding::Br), None);
        assert!(!store.has_length(9) && !store.reserve(1));
    }
}
