//! The store of encoded files, bounded in bytes; the least recently used goes first.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use lru::LruCache;
use parking_lot::Mutex;

use crate::assets::encoder::Coding;
use crate::metrics::Metrics;

/// About what a stored file takes besides its body.
const OVERHEAD_BYTES: usize = 1024;

/// A file in one coding.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// The fields of its responses, without `Content-Length`.
    pub(super) fields: Arc<HeaderMap>,
    pub(super) coding: Coding,
    pub(super) body: Bytes,
    /// Its length in bytes as t3 sends it.
    pub(super) original_length: u64,
    /// Are there other codings of it? Otherwise this one is for every client.
    pub(super) is_compressible: bool,
}

/// Files by name and coding.
#[derive(Debug)]
pub(super) struct AssetStore {
    limit_bytes: usize,
    metrics: Arc<Metrics>,
    contents: Mutex<StoreContents>,
}

#[derive(Debug)]
struct StoreContents {
    files: LruCache<(Arc<str>, Coding), StoredFile>,
    bytes: usize,
}

impl AssetStore {
    /// An empty store for at most `limit_bytes`, the overhead included.
    pub(super) fn new(limit_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            limit_bytes,
            metrics,
            contents: Mutex::new(StoreContents {
                files: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    /// The file `name` with the smallest body in a coding that the client `accepts`. A file that
    /// is not compressible is for every client.
    pub(super) fn get(&self, name: &str, accepts: impl Fn(Coding) -> bool) -> Option<StoredFile> {
        let files = &mut self.contents.lock().files;
        let name = Arc::from(name);
        let keys = Coding::ALL.map(|coding| (Arc::clone(&name), coding));
        let stored = keys.iter().filter_map(|key| Some((key, files.peek(key)?)));
        let accepted = stored.filter(|(_, file)| !file.is_compressible || accepts(file.coding));
        let (key, _) = accepted.min_by_key(|(_, file)| file.body.len())?;
        files.get(key).cloned()
    }

    /// Stores `file` as `name`, unless there is a body in that coding that is no larger.
    pub(super) fn put(&self, name: &str, file: StoredFile) {
        let cost = cost(&file);
        if cost > self.limit_bytes {
            return;
        }
        let mut contents = self.contents.lock();
        let key = (name.into(), file.coding);
        let stored = contents.files.peek(&key);
        if stored.is_some_and(|stored| stored.body.len() <= file.body.len()) {
            return;
        }
        contents.bytes += cost;
        if let Some(replaced) = contents.files.put(key, file) {
            contents.bytes -= self::cost(&replaced);
        }
        while contents.bytes > self.limit_bytes
            && let Some((_, oldest)) = contents.files.pop_lru()
        {
            contents.bytes -= self::cost(&oldest);
        }
        self.metrics.asset_store(contents.bytes as u64);
    }

    /// Drops the file `name` in `coding`.
    pub(super) fn remove(&self, name: &str, coding: Coding) {
        let mut contents = self.contents.lock();
        if let Some(removed) = contents.files.pop(&(name.into(), coding)) {
            contents.bytes -= cost(&removed);
            self.metrics.asset_store(contents.bytes as u64);
        }
    }
}

fn cost(file: &StoredFile) -> usize {
    file.body.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_of(limit: usize) -> AssetStore {
        AssetStore::new(limit, Arc::default())
    }

    fn file(coding: Coding, length: usize) -> StoredFile {
        StoredFile {
            fields: Arc::default(),
            coding,
            body: vec![0; length].into(),
            original_length: length as u64,
            is_compressible: coding != Coding::Identity,
        }
    }

    fn length(store: &AssetStore, name: &str, coding: Coding) -> Option<usize> {
        let stored = store.get(name, |stored| stored == coding)?;
        Some(stored.body.len())
    }

    #[test]
    fn the_smallest_body_that_the_client_accepts_is_found() {
        let store = store_of(100_000);
        store.put("/a", file(Coding::Gzip, 30));
        store.put("/a", file(Coding::Br, 20));
        store.put("/b", file(Coding::Identity, 40));
        let best = store.get("/a", |_| true).expect("two are there");
        assert_eq!(best.coding, Coding::Br);
        assert_eq!(length(&store, "/a", Coding::Gzip), Some(30));
        assert_eq!(length(&store, "/a", Coding::Zstd), None);
        assert!(store.get("/a", |_| false).is_none());
        assert_eq!(
            length(&store, "/b", Coding::Br),
            Some(40),
            "for every client"
        );
        assert_eq!(length(&store, "/c", Coding::Br), None);
    }

    #[test]
    fn only_a_smaller_body_replaces_one() {
        let store = store_of(100_000);
        for (length_put, expected) in [(30, 30), (20, 20), (25, 20)] {
            store.put("/a", file(Coding::Br, length_put));
            assert_eq!(length(&store, "/a", Coding::Br), Some(expected));
        }
        assert_eq!(store.contents.lock().bytes, 20 + OVERHEAD_BYTES);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let store = store_of(3 * (1000 + OVERHEAD_BYTES));
        for name in ["/a", "/b", "/c"] {
            store.put(name, file(Coding::Br, 1000));
        }
        assert_eq!(length(&store, "/a", Coding::Br), Some(1000));
        store.put("/d", file(Coding::Br, 1000));
        assert_eq!(length(&store, "/b", Coding::Br), None);
        for name in ["/a", "/c", "/d"] {
            assert_eq!(length(&store, name, Coding::Br), Some(1000), "{name}");
        }
        store.put("/e", file(Coding::Br, 2500));
        assert_eq!(length(&store, "/d", Coding::Br), Some(1000));
        assert_eq!(store.contents.lock().files.len(), 2);
        store.put("/f", file(Coding::Br, 100_000));
        assert_eq!(length(&store, "/f", Coding::Br), None, "too large");
        assert_eq!(length(&store, "/e", Coding::Br), Some(2500));
    }

    #[test]
    fn what_is_removed_leaves_its_room() {
        let store = store_of(100_000);
        store.put("/a", file(Coding::Br, 20));
        store.put("/a", file(Coding::Gzip, 30));
        store.remove("/a", Coding::Gzip);
        store.remove("/a", Coding::Zstd);
        assert_eq!(length(&store, "/a", Coding::Gzip), None);
        assert_eq!(store.contents.lock().bytes, 20 + OVERHEAD_BYTES);
    }

    #[test]
    fn nothing_is_stored_with_a_limit_of_zero() {
        let store = store_of(0);
        store.put("/a", file(Coding::Br, 0));
        assert_eq!(length(&store, "/a", Coding::Br), None);
    }
}
