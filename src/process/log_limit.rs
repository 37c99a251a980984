//! A bound on how often a log line that clients cause is written.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long there is no second line of a kind.
const PAUSE: Duration = Duration::from_secs(5);

/// Admits one line in five seconds, whoever causes it.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: Option<Instant>,
    left_out: u64,
}

impl LogLimit {
    /// May a line be written now? If so, the number of those that were left out since the last one.
    pub fn admit(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.written.is_some_and(|written| now - written < PAUSE) {
            state.left_out += 1;
            return None;
        }
        state.written = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_five_seconds_is_admitted_and_the_others_are_counted() {
        let limit = LogLimit::default();
        assert_eq!(limit.admit(), Some(0));
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(limit.admit(), None);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limit.admit(), Some(3));
        assert_eq!(limit.admit(), None);
    }
}
