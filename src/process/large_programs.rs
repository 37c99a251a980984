//! How many programs are under way that take much memory: so many at a time, and background work makes way for
//! them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many there are at a time, however many t3s: each takes the memory of a Node process (contract §1).
const MAX_RUNS: usize = 8;

/// The runs of such programs, whichever t3 they are for.
#[derive(Debug, Clone)]
pub struct LargePrograms(Arc<Semaphore>);

/// One run, until this is dropped.
#[derive(Debug)]
pub struct LargeProgram(#[expect(dead_code)] OwnedSemaphorePermit);

impl Default for LargePrograms {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RUNS)))
    }
}

impl LargePrograms {
    /// Begins a run, once there are few enough. There is always one in the end: `None` is never seen.
    pub async fn begin(&self) -> Option<LargeProgram> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.ok().map(LargeProgram)
    }

    /// Is any under way?
    pub fn are_running(&self) -> bool {
        self.0.available_permits() < MAX_RUNS
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_program_runs_until_the_last_has_ended() {
        let programs = LargePrograms::default();
        let (first, second) = (programs.begin().await, programs.clone().begin().await);
        drop(first);
        assert!(programs.are_running());
        drop(second);
        assert!(!programs.are_running());
    }

    #[tokio::test]
    async fn so_many_run_at_a_time() {
        let programs = LargePrograms::default();
        let mut running = Vec::new();
        for _ in 0..MAX_RUNS {
            running.push(programs.begin().await);
        }
        let one_more = programs.begin();
        tokio::pin!(one_more);
        assert!(one_more.as_mut().now_or_never().is_none());
        running.pop();
        assert!(one_more.await.is_some());
    }
}
