//! The store of encoded contents, bounded in bytes; the least recently used goes first.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

use crate::assets::encoder::{Coding, Form};
use crate::assets::hashes::ContentHash;
use crate::metrics::Metrics;

/// About what a stored body takes besides its bytes.
const OVERHEAD_BYTES: usize = 256;

/// A content in one coding.
#[derive(Debug, Clone)]
pub(super) struct StoredBody {
    pub(super) coding: Coding,
    pub(super) body: Bytes,
}

/// Contents by hash and form, of whatever t3.
#[derive(Debug)]
pub(super) struct EncodedStore {
    limit_bytes: usize,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    bodies: LruCache<(ContentHash, Form), StoredContent>,
    /// How many of the bodies are of a content of that length.
    lengths: HashMap<u64, usize>,
    /// Of all bodies, and what is reserved.
    bytes: usize,
    reserved: usize,
}

#[derive(Debug)]
struct StoredContent {
    body: Bytes,
    /// The content's length in bytes, without a coding.
    length: u64,
}

impl EncodedStore {
    /// An empty store for at most `limit_bytes`, the overhead and what is reserved included.
    pub(super) fn new(limit_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            limit_bytes,
            metrics,
            inner: Mutex::new(Inner {
                bodies: LruCache::unbounded(),
                lengths: HashMap::new(),
                bytes: 0,
                reserved: 0,
            }),
        }
    }

    /// The smallest body of `content` in a coding that the client `accepts`.
    pub(super) fn get(
        &self,
        content: ContentHash,
        accepts: impl Fn(Coding) -> bool,
    ) -> Option<StoredBody> {
        let bodies = &mut self.inner.lock().bodies;
        let forms = Form::ALL.into_iter().filter(|form| accepts(form.coding));
        let length = |form: &Form| Some(bodies.peek(&(content, *form))?.body.len());
        let (_, form) = forms
            .filter_map(|form| Some((length(&form)?, form)))
            .min_by_key(|(length, _)| *length)?;
        Some(StoredBody {
            coding: form.coding,
            body: bodies.get(&(content, form))?.body.clone(),
        })
    }

    /// The body of `content` in exactly that `form`.
    pub(super) fn get_form(&self, content: ContentHash, form: Form) -> Option<Bytes> {
        let bodies = &mut self.inner.lock().bodies;
        Some(bodies.get(&(content, form))?.body.clone())
    }

    /// Stores the `body` of a `content` of `length` bytes in `form`.
    pub(super) fn put(&self, content: ContentHash, length: u64, form: Form, body: Bytes) {
        let mut inner = self.inner.lock();
        let key = (content, form);
        inner.put(key, StoredContent { body, length }, self.limit_bytes);
        self.metrics.asset_store(inner.bytes as u64);
    }

    /// Is `content` there in every form that background compression makes?
    pub(super) fn is_complete(&self, content: ContentHash) -> bool {
        self.inner.lock().is_complete(content)
    }

    /// Is any content of `length` bytes there?
    pub(super) fn has_length(&self, length: u64) -> bool {
        self.inner.lock().lengths.contains_key(&length)
    }

    /// Drops the bytes of `content` without a coding.
    pub(super) fn remove_original(&self, content: ContentHash) {
        let mut inner = self.inner.lock();
        inner.remove((content, Form::IDENTITY));
        self.metrics.asset_store(inner.bytes as u64);
    }

    /// Takes `bytes` of the store's for something else that is kept of files; false if all of that takes
    /// half of it already.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let mut inner = self.inner.lock();
        if inner.reserved + bytes > self.limit_bytes / 2 {
            return false;
        }
        inner.reserved += bytes;
        inner.bytes += bytes;
        inner.evict(self.limit_bytes);
        self.metrics.asset_store(inner.bytes as u64);
        true
    }

    /// Gives `bytes` back that were reserved.
    pub(super) fn release(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        inner.reserved -= bytes;
        inner.bytes -= bytes;
        self.metrics.asset_store(inner.bytes as u64);
    }
}

impl Inner {
    fn put(&mut self, key: (ContentHash, Form), stored: StoredContent, limit_bytes: usize) {
        // An encoder makes the same of the same: it only counts as used.
        let cost = cost(&stored);
        if cost > limit_bytes || self.bodies.get(&key).is_some() {
            return;
        }
        let fast = (key.0, Form::fast(Coding::Br));
        let is_larger = |fast: &StoredContent| fast.body.len() >= stored.body.len();
        if key.1 == Form::BEST_BR && self.bodies.peek(&fast).is_some_and(is_larger) {
            self.remove(fast);
        }
        self.bytes += cost;
        *self.lengths.entry(stored.length).or_default() += 1;
        self.bodies.put(key, stored);
        self.evict(limit_bytes);
    }

    fn evict(&mut self, limit_bytes: usize) {
        while self.bytes > limit_bytes
            && let Some((_, oldest)) = self.bodies.pop_lru()
        {
            self.forget(&oldest);
        }
    }

    fn remove(&mut self, key: (ContentHash, Form)) {
        if let Some(removed) = self.bodies.pop(&key) {
            self.forget(&removed);
        }
    }

    fn forget(&mut self, removed: &StoredContent) {
        self.bytes -= cost(removed);
        if let Some(count) = self.lengths.get_mut(&removed.length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&removed.length);
            }
        }
    }

    fn is_complete(&self, content: ContentHash) -> bool {
        let has = |form| self.bodies.contains(&(content, form));
        Form::BACKGROUND.into_iter().all(has)
    }
}

fn cost(stored: &StoredContent) -> usize {
    stored.body.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

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
        store.inner.lock().bytes
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
            assert_eq!(store.inner.lock().bodies.len(), forms, "{best}");
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
        assert_eq!(store.inner.lock().bodies.len(), 2);
        put(&store, "f", Coding::Br, 100_000);
        assert_eq!(length(&store, "f", Coding::Br), None, "too large");
        assert_eq!(length(&store, "e", Coding::Br), Some(2000));
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
