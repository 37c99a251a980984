//! Single flight: one request for a file goes to t3, the others wait for its end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::assets::encoder::Coding;

/// The fetches under way, each with a token that is cancelled when it ends.
#[derive(Debug, Default)]
pub(super) struct Fetches(Mutex<HashMap<FetchKey, CancellationToken>>);

/// The name of a file and the coding that was asked for.
type FetchKey = (Box<str>, Coding);

/// What a request for a file has to do.
#[derive(Debug)]
pub(super) enum FetchRole {
    /// Fetch it.
    Leader(FetchLeader),
    /// Wait until another request's fetch has ended.
    Follower(CancellationToken),
}

/// The right to fetch a file; the fetch has ended when this is dropped.
#[derive(Debug)]
pub(super) struct FetchLeader {
    fetches: Arc<Fetches>,
    key: FetchKey,
    _ended: DropGuard,
}

impl Fetches {
    /// Begins a fetch of `name` in `coding`, or finds the one under way.
    pub(super) fn enter(self: &Arc<Self>, name: &str, coding: Coding) -> FetchRole {
        let key = (Box::from(name), coding);
        match self.0.lock().entry(key.clone()) {
            Entry::Occupied(fetch) => FetchRole::Follower(fetch.get().clone()),
            Entry::Vacant(fetch) => FetchRole::Leader(FetchLeader {
                fetches: Arc::clone(self),
                key,
                _ended: fetch.insert(CancellationToken::new()).clone().drop_guard(),
            }),
        }
    }
}

impl FetchLeader {
    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.key.0
    }
}

impl Drop for FetchLeader {
    fn drop(&mut self) {
        self.fetches.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(fetches: &Arc<Fetches>, name: &str, coding: Coding) -> FetchLeader {
        match fetches.enter(name, coding) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(_) => panic!("{name}: a follower"),
        }
    }

    #[test]
    fn one_request_leads_for_each_file_and_coding_and_the_others_follow_until_it_ends() {
        let fetches = Arc::<Fetches>::default();
        let leader = lead(&fetches, "/a", Coding::Br);
        let others = (
            lead(&fetches, "/a", Coding::Gzip),
            lead(&fetches, "/b", Coding::Br),
        );
        let FetchRole::Follower(ended) = fetches.enter("/a", Coding::Br) else {
            panic!("two leaders");
        };
        assert!(!ended.is_cancelled());
        drop(leader);
        assert!(ended.is_cancelled());
        drop(lead(&fetches, "/a", Coding::Br));
        drop(others);
        assert!(fetches.0.lock().is_empty());
    }
}
