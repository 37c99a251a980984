//! The codes with which apps get a session: which of them this dispatcher has minted, for whom, each once and for
//! five minutes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::rights::Rights;
use crate::pairing::keys::ValueKey;
use crate::process::lru_cache::lru_cache;

/// How long t3 accepts a credential (contract §4).
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The maximum of codes that are remembered: of more, the oldest is forgotten.
const MAX_CODES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// How many codes of one person are remembered: of more, that person's oldest is forgotten, and nobody else's.
const MAX_CODES_OF_ONE: usize = 8;

/// The codes that were minted for devices and may be used still. Only their hashes are kept.
#[derive(Debug)]
pub struct DeviceCodes(Mutex<LruCache<ValueKey, Code>>);

#[derive(Debug)]
struct Code {
    owner: Arc<str>,
    /// What its person's rights were.
    rights: Rights,
    expires: Instant,
    is_in_use: bool,
}

/// A code that is being exchanged: nobody else can use it. It may be used again after this is dropped, unless it was
/// [`spent`](Self::spent).
#[derive(Debug)]
pub struct CodeInUse<'a> {
    codes: &'a DeviceCodes,
    key: ValueKey,
    owner: Arc<str>,
}

impl Default for DeviceCodes {
    fn default() -> Self {
        Self(Mutex::new(lru_cache(MAX_CODES)))
    }
}

impl DeviceCodes {
    /// Notes that `credential` was minted for the person of the identity `owner`, who had `rights` then.
    pub fn add(&self, credential: &str, owner: Arc<str>, rights: Rights) {
        let code = Code {
            owner,
            rights,
            expires: Instant::now() + LIFETIME,
            is_in_use: false,
        };
        let key = ValueKey::of(credential.as_bytes());
        let mut codes = self.0.lock();
        // The oldest come last.
        let own = codes.iter().filter(|(_, held)| held.owner == code.owner);
        let over = own.map(|(key, _)| *key).nth(MAX_CODES_OF_ONE - 1);
        if let Some(over) = over {
            codes.pop(&over);
        }
        codes.put(key, code);
    }

    /// Forgets the codes of the person of the identity `owner`, who is let in no more.
    pub(super) fn forget(&self, owner: &str) {
        self.forget_if(|code| &*code.owner == owner);
    }

    /// Forgets those of the person of the identity `owner` from before that one had `rights`.
    pub(super) fn forget_outgrown(&self, owner: &str, rights: Rights) {
        self.forget_if(|code| code.rights != rights && &*code.owner == owner);
    }

    fn forget_if(&self, is_over: impl Fn(&Code) -> bool) {
        let mut codes = self.0.lock();
        let over = codes.iter().filter(|(_, code)| is_over(code));
        let over: Vec<_> = over.map(|(key, _)| *key).collect();
        for key in over {
            codes.pop(&key);
        }
    }

    /// Takes the code that is `credential`; none if there is no such code, or not any more, or it is in use.
    pub fn take(&self, credential: &str) -> Option<CodeInUse<'_>> {
        let key = ValueKey::of(credential.as_bytes());
        let mut codes = self.0.lock();
        let code = codes.peek_mut(&key)?;
        if code.expires <= Instant::now() {
            codes.pop(&key);
            return None;
        }
        if std::mem::replace(&mut code.is_in_use, true) {
            return None;
        }
        let owner = Arc::clone(&code.owner);
        drop(codes);
        Some(CodeInUse {
            codes: self,
            key,
            owner,
        })
    }
}

impl CodeInUse<'_> {
    /// The identity of its person.
    pub fn owner(&self) -> &Arc<str> {
        &self.owner
    }

    /// It has given a session, or never will. False if it was forgotten meanwhile.
    pub fn spent(self) -> bool {
        self.codes.0.lock().pop(&self.key).is_some()
    }
}

impl Drop for CodeInUse<'_> {
    fn drop(&mut self) {
        if let Some(code) = self.codes.0.lock().peek_mut(&self.key) {
            code.is_in_use = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Arc<str> {
        "alice".into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_is_used_once_at_a_time_and_for_five_minutes() {
        let codes = DeviceCodes::default();
        codes.add("CODE", alice(), Rights::Standard);
        assert!(codes.take("OTHER").is_none());
        let used = codes.take("CODE").expect("it was minted");
        assert_eq!(used.owner(), &alice());
        assert!(codes.take("CODE").is_none(), "it is in use");
        drop(used);
        assert!(codes.take("CODE").expect("it gave nothing").spent());
        assert!(codes.take("CODE").is_none(), "it is spent");
        codes.add("LATE", alice(), Rights::Standard);
        tokio::time::advance(LIFETIME).await;
        assert!(codes.take("LATE").is_none(), "its time is over");
        assert!(codes.0.lock().is_empty());
    }

    #[test]
    fn the_codes_of_a_person_are_forgotten_also_while_they_are_used() {
        let codes = DeviceCodes::default();
        codes.add("CODE", alice(), Rights::Standard);
        codes.add("USED", alice(), Rights::Standard);
        codes.add("OTHER", "bob".into(), Rights::Standard);
        let used = codes.take("USED").expect("it was minted");
        codes.forget("alice");
        assert!(codes.take("CODE").is_none());
        assert!(!used.spent(), "whoever has used it is told");
        assert!(codes.take("OTHER").is_some());
    }

    #[test]
    fn the_codes_are_bounded_and_one_person_s_push_out_nobody_else_s() {
        let codes = DeviceCodes::default();
        let add = |code: &str, owner: &str| codes.add(code, owner.into(), Rights::Standard);
        add("BOB", "bob");
        for number in 0..2 * MAX_CODES.get() {
            add(&number.to_string(), "alice");
        }
        let newest = 2 * MAX_CODES.get() - 1;
        assert!(codes.take("BOB").is_some() && codes.take(&newest.to_string()).is_some());
        assert!(
            codes
                .take(&(newest - MAX_CODES_OF_ONE).to_string())
                .is_none()
        );
        assert_eq!(codes.0.lock().len(), 1 + MAX_CODES_OF_ONE);
        for number in 0..MAX_CODES.get() {
            add(&format!("OF{number}"), &number.to_string());
        }
        assert!(codes.take("BOB").is_none() && codes.take("OF0").is_some());
        assert_eq!(codes.0.lock().len(), MAX_CODES.get());
    }
}
