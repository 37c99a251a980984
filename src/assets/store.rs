//! Coded bodies, kept by name and coding within a bound; the least recently used goes first.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

use crate::assets::encoder::Coding;
use crate::metrics::Metrics;

/// What keeping one body costs besides its bytes, about.
const OVERHEAD_BYTES: usize = 1024;

/// One body of a file, and what t3 said of it.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    pub(super) fields: Arc<HeaderMap>,
    pub(super) coding: Coding,
    pub(super) body: Bytes,
    /// How many bytes it has as t3 sends it.
    pub(super) original_length: u64,
    /// Would other clients be sent other bytes?
    pub(super) is_compressible: bool,
}

/// Keeps bodies.
#[derive(Debug)]
pub(super) struct AssetStore {
    limit: usize,
    metrics: Arc<Metrics>,
    inner: Mutex<StoreContents>,
}

#[derive(Debug, Default)]
struct StoreContents {
    names: HashMap<Box<str>, Vec<StoreEntry>>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct StoreEntry {
    kept: StoredFile,
    used: u64,
}

impl AssetStore {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(limit: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            limit,
            metrics,
            inner: Mutex::default(),
        }
    }

    /// The smallest body of `name` in one of `codings`; one that is kept as it is, because coding
    /// it is worth nothing, is good for everybody.
    pub(super) fn get(&self, name: &str, codings: impl Fn(Coding) -> bool) -> Option<StoredFile> {
        let mut inner = self.inner.lock();
        inner.clock += 1;
        let now = inner.clock;
        let fits = |held: &&mut StoreEntry| !held.kept.is_compressible || codings(held.kept.coding);
        let held = inner.names.get_mut(name)?.iter_mut().filter(fits);
        let held = held.min_by_key(|held| held.kept.body.len())?;
        held.used = now;
        Some(held.kept.clone())
    }

    /// Keeps `kept` under `name`, unless a smaller body of that coding is there already.
    pub(super) fn put(&self, name: &str, kept: StoredFile) {
        let cost = cost(&kept);
        if cost > self.limit {
            return;
        }
        let mut inner = self.inner.lock();
        inner.clock += 1;
        let used = inner.clock;
        let forms = inner.names.entry(name.into()).or_default();
        let same = |held: &StoreEntry| held.kept.coding == kept.coding;
        match forms.iter_mut().find(|held| same(held)) {
            Some(held) if held.kept.body.len() <= kept.body.len() => return,
            Some(held) => {
                let freed = self::cost(&std::mem::replace(&mut held.kept, kept));
                inner.bytes = inner.bytes + cost - freed;
            }
            None => {
                forms.push(StoreEntry { kept, used });
                inner.bytes += cost;
            }
        }
        while inner.bytes > self.limit {
            inner.drop_oldest();
        }
        self.metrics.asset_store(inner.bytes as u64);
    }
}

impl StoreContents {
    fn drop_oldest(&mut self) {
        let oldest = self.names.iter().flat_map(|(name, forms)| {
            let uses = forms.iter().enumerate();
            uses.map(move |(index, held)| (held.used, name.clone(), index))
        });
        let Some((_, name, index)) = oldest.min_by_key(|(used, ..)| *used) else {
            self.bytes = 0;
            return;
        };
        if let Some(forms) = self.names.get_mut(&name) {
            self.bytes -= cost(&forms.swap_remove(index).kept);
            if forms.is_empty() {
                self.names.remove(&name);
            }
        }
    }
}

fn cost(kept: &StoredFile) -> usize {
    kept.body.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_of(limit: usize) -> AssetStore {
        AssetStore::new(limit, Arc::default())
    }

    fn kept(coding: Coding, length: usize) -> StoredFile {
        StoredFile {
            fields: Arc::default(),
            coding,
            body: vec![0; length].into(),
            original_length: length as u64,
            is_compressible: coding != Coding::Identity,
        }
    }

    fn length(store: &AssetStore, name: &str, coding: Coding) -> Option<usize> {
        let kept = store.get(name, |held| held == coding)?;
        Some(kept.body.len())
    }

    #[test]
    fn the_smallest_body_that_the_client_can_read_is_given() {
        let store = store_of(100_000);
        store.put("/a", kept(Coding::Gzip, 30));
        store.put("/a", kept(Coding::Br, 20));
        store.put("/b", kept(Coding::Identity, 40));
        let best = store.get("/a", |_| true).expect("two are there");
        assert_eq!(best.coding, Coding::Br);
        assert_eq!(length(&store, "/a", Coding::Gzip), Some(30));
        assert_eq!(length(&store, "/a", Coding::Zstd), None);
        assert!(store.get("/a", |_| false).is_none());
        assert_eq!(length(&store, "/b", Coding::Br), Some(40), "for everybody");
        assert_eq!(length(&store, "/c", Coding::Br), None);
    }

    #[test]
    fn a_better_body_takes_a_worse_one_s_place_and_never_the_other_way() {
        let store = store_of(100_000);
        for (length_put, expected) in [(30, 30), (20, 20), (25, 20)] {
            store.put("/a", kept(Coding::Br, length_put));
            assert_eq!(length(&store, "/a", Coding::Br), Some(expected));
        }
        assert_eq!(store.inner.lock().bytes, 20 + OVERHEAD_BYTES);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let store = store_of(3 * (1000 + OVERHEAD_BYTES));
        for name in ["/a", "/b", "/c"] {
            store.put(name, kept(Coding::Br, 1000));
        }
        assert_eq!(length(&store, "/a", Coding::Br), Some(1000));
        store.put("/d", kept(Coding::Br, 1000));
        assert_eq!(length(&store, "/b", Coding::Br), None);
        for name in ["/a", "/c", "/d"] {
            assert_eq!(length(&store, name, Coding::Br), Some(1000), "{name}");
        }
        store.put("/e", kept(Coding::Br, 2500));
        assert_eq!(length(&store, "/d", Coding::Br), Some(1000));
        assert_eq!(store.inner.lock().names.len(), 2);
        store.put("/f", kept(Coding::Br, 100_000));
        assert_eq!(length(&store, "/f", Coding::Br), None, "too large");
        assert_eq!(length(&store, "/e", Coding::Br), Some(2500));
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let store = store_of(0);
        store.put("/a", kept(Coding::Br, 0));
        assert_eq!(length(&store, "/a", Coding::Br), None);
    }
}
