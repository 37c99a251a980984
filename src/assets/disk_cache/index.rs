//! What is in the directory, as far as it is known, and what its files are called. Pure.

use data_encoding::HEXLOWER;

use crate::assets::encoder::Form;
use crate::assets::fetch::MAX_COMPRESSIBLE_BYTES;
use crate::assets::hashes::ContentHash;

/// How the name of every file begins that a dispatcher makes there.
pub(super) const OURS: &str = "t3d-";

/// How the name of a file begins that is being written.
pub(super) const UNFINISHED: &str = "t3d-new-";

/// How the name of a file begins that can be used. The number goes up when the encoders make something
/// else, so that an older file is not taken for their best.
const CURRENT: &str = "t3d-1-";

/// The forms that are kept, each with the end of its files' names.
const KEPT: [(Form, &str); 2] = [(Form::GZIP, "gz"), (Form::BEST_BR, "br")];

/// What a file takes on the disk is a multiple of this.
const BLOCK_BYTES: u64 = 4096;

/// How much longer than its content a body may be: what cannot be compressed grows a little.
const GROWTH_BYTES: u64 = 1024;

/// What one file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryKey {
    pub(super) content: ContentHash,
    /// The content's length in bytes, without a coding.
    pub(super) length: u64,
    pub(super) form: Form,
}

/// A file of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: EntryKey,
    /// The file's length.
    pub(super) bytes: u64,
    /// When it was last used, in seconds of the system's clock.
    pub(super) used: i64,
}

/// The files of the directory.
#[derive(Debug, Default)]
pub(super) struct Index {
    is_listed: bool,
    entries: Vec<Entry>,
}

impl EntryKey {
    /// The name of its file.
    pub(super) fn name(&self) -> String {
        let hash = HEXLOWER.encode(self.content.as_bytes());
        let ending = KEPT.iter().find(|(form, _)| *form == self.form);
        let ending = ending.map_or("", |(_, ending)| *ending);
        format!("{CURRENT}{hash}-{}.{ending}", self.length)
    }

    /// What the file called `name` stands for, if it is one that can be used.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let (hash, rest) = name.strip_prefix(CURRENT)?.split_once('-')?;
        let (length, ending) = rest.split_once('.')?;
        let hash = HEXLOWER.decode(hash.as_bytes()).ok()?;
        let key = Self {
            content: ContentHash::from_bytes(hash.try_into().ok()?),
            length: length.parse().ok()?,
            form: KEPT.iter().find(|(_, known)| *known == ending)?.0,
        };
        // Of each there is one spelling.
        let is_one = key.name() == name && key.length <= MAX_COMPRESSIBLE_BYTES;
        is_one.then_some(key)
    }

    /// The longest body that it may have.
    pub(super) fn max_bytes(&self) -> u64 {
        self.length + GROWTH_BYTES
    }
}

impl Entry {
    fn cost(&self) -> u64 {
        cost(self.bytes)
    }
}

/// What a file of `bytes` takes on the disk.
pub(super) fn cost(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

impl Index {
    /// May the directory have `content`? Before it was looked at, any.
    pub(super) fn may_have(&self, content: ContentHash) -> bool {
        !self.is_listed || self.of(content).next().is_some()
    }

    /// May it have a content of `length` bytes?
    pub(super) fn may_have_length(&self, length: u64) -> bool {
        !self.is_listed || self.entries.iter().any(|entry| entry.key.length == length)
    }

    /// Does it have a file for `key`?
    pub(super) fn has(&self, key: &EntryKey) -> bool {
        self.entries.iter().any(|entry| entry.key == *key)
    }

    /// What it has of `content`.
    pub(super) fn of(&self, content: ContentHash) -> impl Iterator<Item = EntryKey> {
        let keys = self.entries.iter().map(|entry| entry.key);
        keys.filter(move |key| key.content == content)
    }

    /// The directory was looked at, and has `entries`.
    pub(super) fn replace(&mut self, entries: Vec<Entry>) {
        self.is_listed = true;
        self.entries = entries;
    }

    /// A file was written.
    pub(super) fn add(&mut self, entry: Entry) {
        self.remove(&entry.key);
        self.entries.push(entry);
    }

    /// The file of `key` is no longer there, or of no use.
    pub(super) fn remove(&mut self, key: &EntryKey) {
        self.entries.retain(|entry| entry.key != *key);
    }

    /// The least recently used file, if there are more than `count`, or if they take more than `bytes`.
    pub(super) fn oldest_beyond(&self, count: usize, bytes: u64) -> Option<EntryKey> {
        let taken: u64 = self.entries.iter().map(Entry::cost).sum();
        let is_beyond = self.entries.len() > count || taken > bytes;
        let oldest = self.entries.iter().min_by_key(|entry| entry.used);
        oldest.filter(|_| is_beyond).map(|entry| entry.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(content: &str, form: Form) -> EntryKey {
        let content = ContentHash::of(content.as_bytes());
        EntryKey {
            content,
            length: 5000,
            form,
        }
    }

    fn entry(content: &str, bytes: u64, used: i64) -> Entry {
        let key = key(content, Form::GZIP);
        Entry { key, bytes, used }
    }

    #[test]
    fn a_name_says_what_its_file_is_in_one_spelling() {
        for form in [Form::GZIP, Form::BEST_BR] {
            let key = key("a", form);
            assert_eq!(EntryKey::of_name(&key.name()), Some(key));
        }
        let name = key("a", Form::GZIP).name();
        for other in [
            name.replace("t3d-1-", "t3d-0-"),
            name.replace(".gz", ".zst"),
            name.replace(".gz", ""),
            name.replace("-5000", "-+5000"),
            name.replace("-5000", "-05000"),
            name.replace("-5000", "-99999999999999999999"),
            name.replace("-5000", "-16777217"),
            name.to_uppercase(),
            name.replace("t3d-1-", "t3d-1-00"),
            format!("{name}.gz"),
            format!("./{name}"),
            "t3d-1-".to_owned(),
            String::new(),
        ] {
            assert_eq!(EntryKey::of_name(&other), None, "{other}");
        }
    }

    #[test]
    fn anything_may_be_there_until_it_was_looked_at() {
        let mut index = Index::default();
        let content = ContentHash::of(b"a");
        assert!(index.may_have(content) && index.may_have_length(5000));
        index.replace(vec![entry("a", 10, 1)]);
        assert!(index.may_have(content) && index.may_have_length(5000));
        assert!(!index.may_have(ContentHash::of(b"b")) && !index.may_have_length(5001));
        index.remove(&key("a", Form::GZIP));
        assert!(!index.may_have(content));
    }

    #[test]
    fn the_least_recently_used_goes_first_while_there_is_too_much() {
        let mut index = Index::default();
        index.replace(vec![entry("a", 1, 7), entry("b", 4097, 5)]);
        index.add(entry("c", 4096, 6));
        assert_eq!(index.oldest_beyond(3, 4 * 4096), None);
        let oldest = Some(key("b", Form::GZIP));
        assert_eq!(index.oldest_beyond(3, 4 * 4096 - 1), oldest);
        assert_eq!(index.oldest_beyond(2, 1 << 30), oldest);
        // Written again, it is the youngest, and there once.
        index.add(entry("b", 4097, 8));
        assert_eq!(index.oldest_beyond(2, 0), Some(key("c", Form::GZIP)));
        assert_eq!(index.of(ContentHash::of(b"b")).count(), 1);
    }
}
