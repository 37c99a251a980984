//! Encoded bodies by content and form, bounded in bytes: what was not used for the longest time goes first. Pure.

use std::collections::HashMap;

use bytes::Bytes;
use lru::LruCache;

use crate::assets::encoder::{Coding, Form};
use crate::assets::hashes::ContentHash;

/// About what a stored body takes besides its bytes.
pub(super) const OVERHEAD_BYTES: usize = 256;

/// A content in a form.
pub(super) type Key = (ContentHash, Form);

/// Encoded bodies, and what is reserved beside them.
#[derive(Debug)]
pub(super) struct Bodies {
    limit_bytes: usize,
    stored: LruCache<Key, StoredContent>,
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

impl Bodies {
    /// None yet; at most `limit_bytes`, the overhead and what is reserved included.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            stored: LruCache::unbounded(),
            lengths: HashMap::new(),
            bytes: 0,
            reserved: 0,
        }
    }

    /// The bytes of all, and what is reserved.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bodies there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.stored.len()
    }

    /// The body of `key`, which is used then.
    pub(super) fn get(&mut self, key: Key) -> Option<Bytes> {
        Some(self.stored.get(&key)?.body.clone())
    }

    /// The length of the body of `key`.
    pub(super) fn body_length(&self, key: Key) -> Option<usize> {
        Some(self.stored.peek(&key)?.body.len())
    }

    /// Is any body of a content of `length` bytes?
    pub(super) fn has_length(&self, length: u64) -> bool {
        self.lengths.contains_key(&length)
    }

    /// Adds the `body` of `key`, of a content of `length` bytes, where there is room for it. Returns what is stored
    /// of `key` then: an encoder makes the same of the same.
    pub(super) fn put(&mut self, key: Key, length: u64, body: Bytes) -> Option<Bytes> {
        if let Some(stored) = self.get(key) {
            return Some(stored);
        }
        let cost = body.len() + OVERHEAD_BYTES;
        if !self.make_room(cost) {
            return None;
        }
        let fast = (key.0, Form::fast(Coding::Br));
        let is_larger = |fast: usize| fast >= body.len();
        if key.1 == Form::BEST_BR && self.body_length(fast).is_some_and(is_larger) {
            self.remove(fast);
        }
        self.bytes += cost;
        *self.lengths.entry(length).or_default() += 1;
        let stored = StoredContent {
            body: body.clone(),
            length,
        };
        self.stored.put(key, stored);
        Some(body)
    }

    /// Drops the body of `key`, if there is one.
    pub(super) fn remove(&mut self, key: Key) {
        let Some(removed) = self.stored.pop(&key) else {
            return;
        };
        self.bytes -= removed.body.len() + OVERHEAD_BYTES;
        if let Some(count) = self.lengths.get_mut(&removed.length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&removed.length);
            }
        }
    }

    /// Takes `bytes` for something else; false if all of that takes half of the limit already, or there is no room.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        let is_little = self.reserved + bytes <= self.limit_bytes / 2;
        let is_taken = is_little && self.make_room(bytes);
        if is_taken {
            self.reserved += bytes;
            self.bytes += bytes;
        }
        is_taken
    }

    /// Gives `bytes` back that were reserved.
    pub(super) fn release(&mut self, bytes: usize) {
        self.reserved -= bytes;
        self.bytes -= bytes;
    }

    /// Drops what was not used for the longest time until there are `bytes` left; false if they cannot be had. To
    /// drop what a client is still being sent would free nothing.
    fn make_room(&mut self, bytes: usize) -> bool {
        if bytes > self.limit_bytes {
            return false;
        }
        while self.bytes + bytes > self.limit_bytes {
            let mut oldest_first = self.stored.iter().rev();
            let unused = oldest_first.find(|(_, stored)| stored.body.is_unique());
            let Some((key, _)) = unused else {
                return false;
            };
            self.remove(*key);
        }
        true
    }
}
