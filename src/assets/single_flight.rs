//! Single flight: one request for a file goes to t3, the others wait for its end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The fetches under way, each with a token that is cancelled when it ends.
#[derive(Debug, Default)]
pub(super) struct Fetches(Mutex<HashMap<Box<str>, CancellationToken>>);

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
    name: Box<str>,
    _ended: DropGuard,
}

impl Fetches {
    /// Begins a fetch of `name`, or finds the one under way.
    pub(super) fn enter(self: &Arc<Self>, name: &str) -> FetchRole {
        let name = Box::from(name);
        match self.0.lock().entry(Box::clone(&name)) {
            Entry::Occupied(fetch) => FetchRole::Follower(fetch.get().clone()),
            Entry::Vacant(fetch) => FetchRole::Leader(FetchLeader {
                fetches: Arc::clone(self),
                name,
                _ended: fetch.insert(CancellationToken::new()).clone().drop_guard(),
            }),
        }
    }
}

impl FetchLeader {
    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for FetchLeader {
    fn drop(&mut self) {
        self.fetches.0.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(fetches: &Arc<Fetches>, name: &str) -> FetchLeader {
        match fetches.enter(name) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(_) => panic!("{name}: a follower"),
        }
    }

    #[test]
    fn one_request_leads_for_each_file_and_the_others_follow_until_it_ends() {
        let fetches = Arc::<Fetches>::default();
        let leader = lead(&fetches, "/a");
        let other = lead(&fetches, "/b");
        let FetchRole::Follower(ended) = fetches.enter("/a") else {
            panic!("two leaders");
        };
        assert!(!ended.is_cancelled());
        drop(leader);
        assert!(ended.is_cancelled());
        drop(lead(&fetches, "/a"));
        drop(other);
        assert!(fetches.0.lock().is_empty());
    }
}
