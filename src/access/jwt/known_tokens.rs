//! The tokens that were verified, so that each is verified once: whom they name, until they expire.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::access::jwt::claims::Verified;
use crate::access::visitor::Person;
use crate::process::lru_cache::lru_cache;

/// The maximum of tokens that are kept, and of their bytes in sum.
const MAX_TOKENS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
const MAX_BYTES: usize = 2 << 20;

/// The end of a token, which is that of its signature, by which it is looked up: nobody can choose it
/// without the key, so that a token finds another one's place by chance only, and never its person, as
/// the whole is compared. Hashing the whole by SHA-256 takes longer than all else of a look-up.
const END_BYTES: usize = 32;

type End = [u8; END_BYTES];

/// Tokens and whom they name.
#[derive(Debug)]
pub(super) struct KnownTokens(Mutex<Held>);

#[derive(Debug)]
struct Held {
    tokens: LruCache<End, Known>,
    bytes: usize,
}

/// A token that counted when it came.
struct Known {
    token: Box<[u8]>,
    person: Arc<Person>,
    until: u64,
    /// Of the keys of which one has signed it.
    generation: u64,
}

impl KnownTokens {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Held {
            tokens: lru_cache(MAX_TOKENS),
            bytes: 0,
        }))
    }

    /// Whom `token` names at `now`, in seconds since 1970, if it was verified by the keys of `generation`.
    pub(super) fn person(&self, token: &[u8], generation: u64, now: u64) -> Option<Arc<Person>> {
        let end = token.last_chunk::<END_BYTES>()?;
        let mut held = self.0.lock();
        let known = held.tokens.get(end)?;
        let counts = *known.token == *token && known.generation == generation && now <= known.until;
        counts.then(|| Arc::clone(&known.person))
    }

    /// Keeps `token`, which a key of `generation` has signed. The one that was used longest ago makes way.
    pub(super) fn keep(&self, token: &[u8], verified: Verified, generation: u64) {
        let Some(end) = token.last_chunk::<END_BYTES>() else {
            return;
        };
        let known = Known {
            token: token.into(),
            person: verified.person,
            until: verified.until,
            generation,
        };
        let held = &mut *self.0.lock();
        held.bytes += token.len();
        if let Some((_, gone)) = held.tokens.push(*end, known) {
            held.bytes -= gone.token.len();
        }
        while held.bytes > MAX_BYTES
            && let Some((_, gone)) = held.tokens.pop_lru()
        {
            held.bytes -= gone.token.len();
        }
    }
}

/// Without the token.
impl std::fmt::Debug for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Known");
        shown.field("until", &self.until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(name: &str, until: u64) -> Verified {
        let person = Person {
            stated: name.into(),
            name: name.into(),
            groups: None,
        };
        Verified {
            person: Arc::new(person),
            until,
        }
    }

    #[test]
    fn a_token_is_known_byte_for_byte_until_it_expires_and_its_keys_change() {
        let tokens = KnownTokens::new();
        let token = [b'x'; 100];
        tokens.keep(&token, verified("ada", 1_000), 7);
        let name = |token: &[u8], generation, now| {
            let person = tokens.person(token, generation, now);
            person.map(|person| person.name.to_string())
        };
        assert_eq!(name(&token, 7, 0).as_deref(), Some("ada"));
        assert_eq!(name(&token, 7, 1_000).as_deref(), Some("ada"));
        assert_eq!(name(&token, 7, 1_001), None, "expired");
        assert_eq!(name(&token, 8, 0), None, "of other keys");
        for at in [0, 50, 67, 68, 99] {
            let mut other = token;
            other[at] = b'y';
            assert_eq!(name(&other, 7, 0), None, "another byte at {at}");
        }
        assert_eq!(name(&token[1..], 7, 0), None, "a shorter one");
        assert_eq!(
            name(&[&b"x"[..], &token].concat(), 7, 0),
            None,
            "a longer one"
        );
        assert_eq!(name(b"x", 7, 0), None);
        // The same end: the later one takes the place, and each is only itself.
        let mut same_end = token;
        same_end[0] = b'y';
        tokens.keep(&same_end, verified("eve", 1_000), 7);
        assert_eq!(name(&same_end, 7, 0).as_deref(), Some("eve"));
        assert_eq!(name(&token, 7, 0), None);
        assert!(!format!("{tokens:?}").contains("120"), "no token is shown");
    }

    #[test]
    fn so_many_are_kept_and_those_that_are_used() {
        let tokens = KnownTokens::new();
        let token = |number: u32, length: usize| {
            let mut token = vec![b'x'; length];
            let end = format!("{number:032}");
            token.extend_from_slice(end.as_bytes());
            token
        };
        for number in 0..2 * MAX_TOKENS.get() as u32 {
            tokens.keep(&token(number, 68), verified("ada", 1), 0);
            assert!(tokens.person(&token(0, 68), 0, 0).is_some(), "it is used");
        }
        assert_eq!(tokens.0.lock().tokens.len(), MAX_TOKENS.get());
        assert_eq!(tokens.0.lock().bytes, 100 * MAX_TOKENS.get());
        assert!(tokens.person(&token(1, 68), 0, 0).is_none());
        for number in 0..500 {
            tokens.keep(&token(number, 16_352), verified("ada", 1), 0);
            let held = tokens.0.lock();
            assert!(held.bytes <= MAX_BYTES, "{}", held.bytes);
            let sum: usize = held.tokens.iter().map(|(_, known)| known.token.len()).sum();
            assert_eq!(held.bytes, sum);
        }
        assert!(tokens.person(&token(499, 16_352), 0, 0).is_some());
    }
}
