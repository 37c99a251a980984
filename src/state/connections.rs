//! The open connections of clients: where no place is left, the one that has been idle longest makes way.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::state::deadlines::Deadlines;

/// How many connections one look at all of them finds that may make way.
const FOUND_AT_ONCE: usize = 64;

/// The open connections.
#[derive(Debug, Default)]
pub struct Connections(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next_number: u64,
    /// How many were accepted and are not open yet: their tasks have not run.
    accepted: usize,
    open: HashMap<u64, Arc<Deadlines>>,
    /// Those that were idle longest when all were looked at, the longest at the end, and since when.
    longest: Vec<(Instant, Weak<Deadlines>)>,
}

/// A connection among those that are open, until this is dropped.
#[derive(Debug)]
pub struct OpenConnection<'a> {
    connections: &'a Connections,
    number: u64,
}

impl Connections {
    /// Counts a connection that was accepted, and is going to be opened.
    pub fn accepted(&self) {
        self.0.lock().accepted += 1;
    }

    /// Adds the connection of `deadlines`, one of those that were accepted.
    pub fn open(&self, deadlines: &Arc<Deadlines>) -> OpenConnection<'_> {
        let mut state = self.0.lock();
        let number = state.next_number;
        state.next_number += 1;
        state.accepted = state.accepted.saturating_sub(1);
        state.open.insert(number, Arc::clone(deadlines));
        OpenConnection {
            connections: self,
            number,
        }
    }

    /// Is there one on which nothing has come yet?
    pub fn is_any_new(&self) -> bool {
        let state = self.0.lock();
        state.accepted > 0 || state.open.values().any(|held| held.is_new())
    }

    /// Has the connection end that has been idle longest. False if none is idle.
    pub fn end_longest_idle(&self) -> bool {
        let mut state = self.0.lock();
        state.end_found() || {
            state.find();
            state.end_found()
        }
    }
}

impl State {
    /// Ends the longest of those that were found, and are idle since then.
    fn end_found(&mut self) -> bool {
        while let Some((since, found)) = self.longest.pop() {
            let found = found.upgrade();
            if found.is_some_and(|deadlines| deadlines.end_if_idle_since(since)) {
                return true;
            }
        }
        false
    }

    fn find(&mut self) {
        let idle = self.open.values();
        let idle = idle.filter_map(|held| Some((held.idle_since()?, Arc::downgrade(held))));
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        idle.truncate(FOUND_AT_ONCE);
        idle.reverse();
        self.longest = idle;
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        let mut state = self.connections.0.lock();
        state.open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::config::options::LimitsConfig;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_ends_and_none_that_is_busy() {
        let connections = Connections::default();
        let mut all = Vec::new();
        for _ in 0..4 {
            advance(Duration::from_secs(1)).await;
            all.push(Arc::new(Deadlines::new(LimitsConfig::default())));
        }
        all.iter().for_each(|_| connections.accepted());
        assert!(connections.is_any_new(), "before they are open");
        let open: Vec<_> = all.iter().map(|held| connections.open(held)).collect();
        // The first one is in a request, and the second one has just had one.
        all[0].exchange_began(None);
        all[1].exchange_began(None);
        advance(Duration::from_secs(1)).await;
        all[1].exchange_ended();
        let ended = |all: &[Arc<Deadlines>]| all.iter().map(|held| held.is_ended()).collect();
        for expected in [
            [false, false, true, false],
            [false, false, true, true],
            [false, true, true, true],
        ] {
            assert!(connections.end_longest_idle());
            let ended: Vec<bool> = ended(&all);
            assert_eq!(ended, expected);
        }
        assert!(!connections.end_longest_idle(), "only one that is busy");
        drop(open);
        assert!(!connections.is_any_new());
        assert!(connections.0.lock().open.is_empty());
    }
}
