//! How many programs are under way that take much memory: background work makes way for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The runs of such programs, whichever t3 they are for.
#[derive(Debug, Clone, Default)]
pub struct LargePrograms(Arc<AtomicUsize>);

/// One run, until this is dropped.
#[derive(Debug)]
pub struct LargeProgram(LargePrograms);

impl LargePrograms {
    /// A run begins.
    pub fn begin(&self) -> LargeProgram {
        self.0.fetch_add(1, Ordering::Relaxed);
        LargeProgram(self.clone())
    }

    /// Is any under way?
    pub fn are_running(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for LargeProgram {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_until_the_last_has_ended() {
        let programs = LargePrograms::default();
        let (first, second) = (programs.begin(), programs.clone().begin());
        drop(first);
        assert!(programs.are_running());
        drop(second);
        assert!(!programs.are_running());
    }
}
