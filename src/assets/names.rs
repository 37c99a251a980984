//! What one t3 has sent under the names of its immutable files: which content, and with which fields.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

use crate::assets::hashes::{ContentHash, PathKey};
use crate::assets::store::EncodedStore;

/// How many names one t3 may have: v0.0.42 has 2,228 files (contract §11). The least recently used goes
/// first.
const MAX_NAMES: usize = 4096;

/// For how many names room is made at a time.
const NAMES_AT_ONCE: usize = 32;

/// How many sets of fields they may have: those of one media type are alike.
const MAX_FIELD_SETS: usize = 32;

/// The longest set of fields, names and values.
const MAX_FIELDS_BYTES: usize = 4096;

/// About what a set of fields takes besides its names and values.
const FIELDS_OVERHEAD_BYTES: usize = 1024;

/// A file as this t3 has sent it.
#[derive(Debug, Clone)]
pub(super) struct KnownFile {
    pub(super) content: ContentHash,
    /// Its length in bytes.
    pub(super) length: u64,
    /// The fields of its responses, without a coding's and without `Content-Length`.
    pub(super) fields: Arc<HeaderMap>,
    /// Are there other codings of it? Otherwise it is for every client as it is.
    pub(super) is_compressible: bool,
}

/// The names that one t3 has sent. They take a part of the store, and give it back when dropped.
#[derive(Debug)]
pub(super) struct Names {
    store: Arc<EncodedStore>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// In the order of their keys.
    names: Vec<Name>,
    field_sets: Vec<Arc<HeaderMap>>,
    /// Goes on with each use of a name.
    clock: u32,
    reserved_bytes: usize,
}

#[derive(Debug)]
struct Name {
    key: PathKey,
    content: ContentHash,
    length: u32,
    last_used: u32,
    field_set: u8,
    is_compressible: bool,
}

impl Names {
    /// No names yet: nothing is taken of `store`.
    pub(super) fn new(store: Arc<EncodedStore>) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// The file that this t3 has sent as `path`.
    pub(super) fn get(&self, path: &str) -> Option<KnownFile> {
        let known = &mut *self.known.lock();
        let place = known.place(PathKey::of(path)).ok()?;
        let now = known.tick();
        let name = &mut known.names[place];
        name.last_used = now;
        Some(KnownFile {
            content: name.content,
            length: name.length.into(),
            fields: Arc::clone(&known.field_sets[usize::from(name.field_set)]),
            is_compressible: name.is_compressible,
        })
    }

    /// This t3 has sent `file` as `path`. It is not remembered where its fields are very long, or where
    /// other t3s' files take all that there is for names.
    pub(super) fn put(&self, path: &str, file: &KnownFile) {
        let known = &mut *self.known.lock();
        let key = PathKey::of(path);
        if let Ok(place) = known.place(key) {
            known.names.remove(place);
        }
        let Some(field_set) = known.field_set(&file.fields, &self.store) else {
            return;
        };
        let Ok(length) = u32::try_from(file.length) else {
            return;
        };
        if !known.make_room(&self.store) {
            return;
        }
        let name = Name {
            key,
            content: file.content,
            length,
            last_used: known.tick(),
            field_set,
            is_compressible: file.is_compressible,
        };
        let (Ok(place) | Err(place)) = known.place(key);
        known.names.insert(place, name);
    }
}

impl Known {
    fn place(&self, key: PathKey) -> Result<usize, usize> {
        self.names.binary_search_by_key(&key, |name| name.key)
    }

    fn tick(&mut self) -> u32 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }

    fn reserve(&mut self, bytes: usize, store: &EncodedStore) -> bool {
        let is_reserved = store.reserve(bytes);
        self.reserved_bytes += if is_reserved { bytes } else { 0 };
        is_reserved
    }

    /// Makes room for one more name; false if there is none to be had.
    fn make_room(&mut self, store: &EncodedStore) -> bool {
        if self.names.len() < self.names.capacity() {
            return true;
        }
        let bytes = NAMES_AT_ONCE * size_of::<Name>();
        if self.names.len() < MAX_NAMES && self.reserve(bytes, store) {
            self.names.reserve_exact(NAMES_AT_ONCE);
            return true;
        }
        let names = self.names.iter().enumerate();
        let oldest = names.min_by_key(|(_, name)| name.last_used);
        let oldest = oldest.map(|(place, _)| place);
        oldest.map(|place| self.names.remove(place)).is_some()
    }

    /// The number of the set that equals `fields`. A t3 with more sets than there may be begins anew.
    fn field_set(&mut self, fields: &HeaderMap, store: &EncodedStore) -> Option<u8> {
        let number = self.field_sets.iter().position(|set| **set == *fields);
        if let Some(number) = number {
            return u8::try_from(number).ok();
        }
        if self.field_sets.len() == MAX_FIELD_SETS {
            store.release(std::mem::take(self).reserved_bytes);
        }
        let bytes = bytes_of(fields);
        if bytes > MAX_FIELDS_BYTES || !self.reserve(bytes + FIELDS_OVERHEAD_BYTES, store) {
            return None;
        }
        self.field_sets.push(Arc::new(detached(fields)));
        u8::try_from(self.field_sets.len() - 1).ok()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.store.release(self.known.get_mut().reserved_bytes);
    }
}

fn bytes_of(fields: &HeaderMap) -> usize {
    let lengths = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    lengths.sum()
}

/// The same `fields`, in memory of their own: a value that was received keeps all that was read with it.
fn detached(fields: &HeaderMap) -> HeaderMap {
    let copy = |value: &HeaderValue| {
        HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
    };
    let lines = fields.iter();
    let mut copies = HeaderMap::with_capacity(fields.len());
    for (name, value) in lines {
        copies.append(name, copy(value));
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn store_of(limit: usize) -> Arc<EncodedStore> {
        Arc::new(EncodedStore::new(limit, Arc::default()))
    }

    fn file(content: &str, content_type: &str) -> KnownFile {
        KnownFile {
            content: ContentHash::of(content.as_bytes()),
            length: 7,
            fields: Arc::new(from_lines(&[("content-type", content_type)])),
            is_compressible: true,
        }
    }

    fn content(names: &Names, path: &str) -> Option<ContentHash> {
        names.get(path).map(|file| file.content)
    }

    #[test]
    fn a_name_stands_for_what_was_last_sent_as_it_and_other_t3_s_names_for_theirs() {
        let store = store_of(100_000);
        let (of_ada, of_bob) = (Names::new(Arc::clone(&store)), Names::new(store));
        of_ada.put("/a", &file("1", "text/css"));
        of_ada.put("/b", &file("2", "text/javascript"));
        of_ada.put("/a", &file("3", "text/javascript"));
        assert_eq!(content(&of_ada, "/a"), Some(ContentHash::of(b"3")));
        assert_eq!(content(&of_ada, "/b"), Some(ContentHash::of(b"2")));
        let known = of_ada.get("/a").expect("it");
        assert_eq!(known.fields["content-type"], "text/javascript");
        assert_eq!(content(&of_bob, "/a"), None);
        of_bob.put("/a", &file("4", "text/css"));
        assert_eq!(content(&of_bob, "/a"), Some(ContentHash::of(b"4")));
        assert_eq!(content(&of_ada, "/a"), Some(ContentHash::of(b"3")));
    }

    #[test]
    fn the_number_is_bounded_and_the_least_recently_used_goes_first() {
        let names = Names::new(store_of(10_000_000));
        names.put("/first", &file("1", "text/css"));
        names.put("/second", &file("2", "text/css"));
        for number in 2..MAX_NAMES {
            names.put(&format!("/{number}"), &file("n", "text/css"));
        }
        assert!(content(&names, "/first").is_some());
        names.put("/last", &file("3", "text/css"));
        assert!(content(&names, "/first").is_some() && content(&names, "/last").is_some());
        assert!(content(&names, "/second").is_none());
        assert_eq!(names.known.lock().names.len(), MAX_NAMES);
    }

    #[test]
    fn names_take_a_part_of_the_store_and_give_it_back() {
        let taken = FIELDS_OVERHEAD_BYTES + 100 + NAMES_AT_ONCE * size_of::<Name>();
        let store = store_of(2 * taken);
        let names = Names::new(Arc::clone(&store));
        for number in 0..=NAMES_AT_ONCE {
            names.put(&format!("/{number}"), &file("1", "text/css"));
        }
        assert!(content(&names, "/0").is_none() && content(&names, "/1").is_some());
        let others = Names::new(Arc::clone(&store));
        others.put("/a", &file("1", "text/css"));
        assert!(content(&others, "/a").is_none(), "nothing is left");
        drop(names);
        others.put("/a", &file("1", "text/css"));
        assert!(content(&others, "/a").is_some());
    }

    #[test]
    fn sets_of_fields_are_bounded() {
        let names = Names::new(store_of(10_000_000));
        for number in 0..=MAX_FIELD_SETS {
            names.put(&format!("/{number}"), &file("1", &format!("text/{number}")));
        }
        assert!(content(&names, "/0").is_none(), "begun anew");
        assert!(content(&names, &format!("/{MAX_FIELD_SETS}")).is_some());
        names.put("/long", &file("1", &"x".repeat(MAX_FIELDS_BYTES)));
        assert!(content(&names, "/long").is_none());
    }
}
