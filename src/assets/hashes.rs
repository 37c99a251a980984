//! What a content and a path are known by: their SHA-256. Pure.

use sha2::{Digest, Sha256};

/// The hash of the bytes that a t3 sent: two contents with one hash are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ContentHash([u8; 32]);

/// The first half of a path's hash: a table of them is small, however long the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PathKey([u8; 16]);

/// Hashes a content as it comes.
#[derive(Debug, Clone, Default)]
pub(super) struct ContentHasher(Sha256);

impl ContentHash {
    /// The hash of `content`.
    #[cfg(test)]
    pub(super) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The hash that has those `bytes`.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PathKey {
    /// The key of `path`.
    pub(super) fn of(path: &str) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(path)[..16]);
        Self(key)
    }
}

impl ContentHasher {
    /// The next `piece` of the content.
    pub(super) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all of it.
    pub(super) fn finish(self) -> ContentHash {
        ContentHash(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_in_pieces_has_the_hash_of_the_whole() {
        let mut hasher = ContentHasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), ContentHash::of(b"abc"));
        assert_ne!(ContentHash::of(b"abc"), ContentHash::of(b"abd"));
    }
}
