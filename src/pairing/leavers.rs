//! The people who are let in no more: who of them waits for the revoking of sessions, and whose are revoked.

use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::pairing::AccessEnd;
use crate::pairing::keys::ValueKey;

/// How long a person's requests begin no other round after one that has failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The maximum of people that wait for a round, and of those that are remembered. Who waits no more is tried
/// again at the next request.
const MAX_PEOPLE: usize = 1024;

/// The people who are let in no more, as long as they are not let in again.
#[derive(Debug, Default)]
pub(super) struct Leavers(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Who was last denied is the most recently used.
    people: LruCache<ValueKey, Left>,
    waiting: Vec<Leaver>,
    /// Does a task make the rounds?
    is_running: bool,
}

/// What is known of a person who is let in no more.
#[derive(Debug)]
struct Left {
    cause: AccessEnd,
    since: Instant,
    progress: Progress,
    is_counted: bool,
}

/// How far the revoking of a person's sessions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Done,
    Failed(Instant),
}

/// A person whose sessions are to be revoked.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) identity: Box<str>,
    pub(super) cause: AccessEnd,
    /// How many tunnels have just been ended.
    pub(super) tunnels: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            // Takes memory only for those who are in it.
            people: LruCache::unbounded(),
            waiting: Vec::new(),
            is_running: false,
        }
    }
}

impl Leavers {
    /// Has `leaver` wait for a round, unless that is under way, done, or has just failed. True if rounds are
    /// to be begun for it.
    pub(super) fn add(&self, leaver: Leaver) -> bool {
        let mut state = self.0.lock();
        let key = ValueKey::of(leaver.identity.as_bytes());
        let is_full = state.waiting.len() >= MAX_PEOPLE;
        let held = state.people.get(&key);
        let is_due = held.is_none_or(|left| left.is_due(leaver.tunnels));
        if !is_due || is_full {
            return false;
        }
        let is_counted = held.is_some_and(|left| left.is_counted && leaver.tunnels == 0);
        let left = Left {
            cause: leaver.cause,
            since: Instant::now(),
            progress: Progress::UnderWay,
            is_counted,
        };
        state.people.put(key, left);
        if state.people.len() > MAX_PEOPLE {
            state.people.pop_lru();
        }
        state.waiting.push(leaver);
        !std::mem::replace(&mut state.is_running, true)
    }

    /// Who waits for a round; `None` if nobody does, and rounds are over.
    pub(super) fn next_round(&self) -> Option<Vec<Leaver>> {
        let mut state = self.0.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.is_running = !waiting.is_empty();
        state.is_running.then_some(waiting)
    }

    /// The round of `leaver` is over. True if that person is to be counted, who has lost something for the
    /// first time since being let in.
    pub(super) fn ended(&self, leaver: &Leaver, has_lost: bool, has_failed: bool) -> bool {
        let key = ValueKey::of(leaver.identity.as_bytes());
        let mut state = self.0.lock();
        let Some(left) = state.people.peek_mut(&key) else {
            return has_lost;
        };
        left.progress = match has_failed {
            true => Progress::Failed(Instant::now()),
            false => Progress::Done,
        };
        let is_first = has_lost && !left.is_counted;
        left.is_counted |= has_lost;
        is_first
    }

    /// A session was made for the person of `identity` by a pairing that began at `began`: what is known of
    /// that person is forgotten. If that one has left since then, it is returned how that was noticed.
    pub(super) fn came(&self, identity: &str, began: Instant) -> Option<AccessEnd> {
        let key = ValueKey::of(identity.as_bytes());
        let left = self.0.lock().people.pop(&key)?;
        (left.since >= began).then_some(left.cause)
    }
}

impl Left {
    /// Is another round due, of a person who has just lost so many `tunnels`?
    fn is_due(&self, tunnels: usize) -> bool {
        match self.progress {
            Progress::UnderWay => false,
            // Who had a tunnel was let in meanwhile.
            Progress::Done => tunnels > 0,
            Progress::Failed(at) => tunnels > 0 || at.elapsed() >= RETRY_AFTER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaver(identity: &str, tunnels: usize) -> Leaver {
        Leaver {
            identity: identity.into(),
            cause: AccessEnd::Request,
            tunnels,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_person_is_handled_once_until_it_fails_or_that_one_comes_again() {
        let people = Leavers::default();
        let began = Instant::now();
        assert!(people.add(leaver("eve", 2)), "the first begins the rounds");
        assert!(!people.add(leaver("eve", 0)) && !people.add(leaver("mallory", 0)));
        let round = people.next_round().expect("two wait");
        assert_eq!(round.len(), 2);
        assert!(!people.add(leaver("eve", 0)), "it is under way");
        assert!(people.ended(&round[0], true, true), "counted");
        assert!(!people.ended(&round[1], false, false), "had nothing");
        assert!(people.next_round().is_none());
        assert!(!people.add(leaver("eve", 0)), "it has just failed");
        tokio::time::advance(RETRY_AFTER).await;
        assert!(people.add(leaver("eve", 0)), "it is tried again");
        let round = people.next_round().expect("one waits");
        assert!(!people.ended(&round[0], true, false), "counted already");
        assert!(people.next_round().is_none());
        assert!(!people.add(leaver("eve", 0)), "it is done");
        assert_eq!(
            people.came("eve", began),
            Some(AccessEnd::Request),
            "she left meanwhile"
        );
        assert!(
            people.add(leaver("eve", 0)),
            "her new session is revoked too"
        );
        tokio::time::advance(RETRY_AFTER).await;
        assert_eq!(
            people.came("eve", Instant::now()),
            None,
            "she was let in again"
        );
        assert_eq!(people.came("ada", began), None);
    }

    #[test]
    fn the_people_who_wait_and_who_are_remembered_are_bounded() {
        let people = Leavers::default();
        for n in 0..2 * MAX_PEOPLE {
            people.add(leaver(&n.to_string(), 0));
        }
        assert_eq!(
            people.next_round().map(|round| round.len()),
            Some(MAX_PEOPLE)
        );
        for n in 0..2 * MAX_PEOPLE {
            people.add(leaver(&n.to_string(), 1));
        }
        assert_eq!(people.0.lock().people.len(), MAX_PEOPLE);
    }
}
