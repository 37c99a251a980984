//! What is tried again while t3 comes and goes: pages and upgrades.

use std::time::Duration;

use tokio::time::Instant;

use crate::router::{Arrival, Router};
use crate::upstream::error::Failure;

/// How long t3 may leave a page or an upgrade without an answer before it is asked again on a new
/// connection: what arrives in its first second is never answered (contract §7).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a page or an upgrade is tried that meets a t3 which is just going or coming.
const MOST_ATTEMPTS: usize = 4;

impl Router<'_> {
    /// Makes `attempt` while t3 is up, until it succeeds: waits for t3 until `deadline`, and leaves
    /// what a t3 was asked that then went away. Each attempt is given the time that it has. `None`
    /// where t3 was not up in time.
    pub(super) async fn persist<T, F>(
        &self,
        arrival: &Arrival<'_>,
        deadline: Instant,
        mut attempt: impl FnMut(Duration) -> F,
    ) -> Option<Result<T, Failure>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let patience = self.services.upstream.response_timeout();
        let mut failures = 0;
        loop {
            let waiting = arrival.client.waiting();
            if !self.services.readiness.wait_until_up_by(deadline).await {
                return None;
            }
            drop(waiting);
            let is_last = failures + 1 >= MOST_ATTEMPTS;
            let limit = if is_last {
                patience
            } else {
                ATTEMPT_TIMEOUT.min(patience)
            };
            let outcome = tokio::select! {
                outcome = attempt(limit) => outcome,
                () = self.services.readiness.wait_until_gone() => continue,
            };
            match outcome {
                Err(failure) if !is_last => self.services.note(&failure, &arrival.id),
                outcome => return Some(outcome),
            }
            failures += 1;
        }
    }
}
