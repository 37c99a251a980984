//! The one way to ask t3: waits until it is up, makes the attempt, and responds for a t3 that fails.

use std::time::Duration;

use tokio::time::Instant;

use crate::responses::{ClientResponse, ErrorFormat};
use crate::router::Router;
use crate::router::context::RequestContext;
use crate::upstream::error::Failure;

/// How long t3 may leave a page or an upgrade without a response before it is asked again on a new
/// connection: what arrives in its first second is never answered (contract §7).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a page or an upgrade is tried that meets a t3 which is stopping or starting.
const MOST_ATTEMPTS: usize = 4;

impl Router<'_> {
    /// Makes `attempt` once, within the limit that it is given, if t3 is up. The cockpit's own fetches
    /// are repeated by its script for 15 s (contract §6): a quick error serves it better than a wait.
    ///
    /// # Errors
    /// The response for a t3 that is not up, or gave none.
    pub(super) async fn ask_once<T, F>(
        &self,
        context: &RequestContext<'_>,
        error_format: ErrorFormat,
        attempt: impl FnOnce(Duration) -> F,
    ) -> Result<T, ClientResponse>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let services = self.services;
        let _waiting = context.client.waiting();
        if !services.readiness.resolve_is_up().await {
            return Err(services.not_up(error_format, &context.id));
        }
        let outcome = attempt(services.upstream.response_timeout()).await;
        outcome.map_err(|failure| services.failed(&failure, error_format, &context.id))
    }

    /// Makes `attempt` while t3 is up, until it succeeds: waits for t3 until `deadline`, and abandons
    /// what a t3 was asked that then went away. Each attempt is given its limit.
    ///
    /// # Errors
    /// The response for a t3 that was not up in time, or gave none.
    pub(super) async fn ask_until<T, F>(
        &self,
        context: &RequestContext<'_>,
        deadline: Instant,
        error_format: ErrorFormat,
        mut attempt: impl FnMut(Duration) -> F,
    ) -> Result<T, ClientResponse>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let services = self.services;
        let _waiting = context.client.waiting();
        let response_timeout = services.upstream.response_timeout();
        let mut failures = 0;
        loop {
            if !services.readiness.wait_until_up_by(deadline).await {
                return Err(services.not_up(error_format, &context.id));
            }
            let is_last = failures + 1 >= MOST_ATTEMPTS;
            let limit = match is_last {
                true => response_timeout,
                false => ATTEMPT_TIMEOUT.min(response_timeout),
            };
            let seen = services.readiness.restarts();
            let outcome = tokio::select! {
                outcome = attempt(limit) => outcome,
                () = services.readiness.wait_until_gone(seen) => continue,
            };
            match outcome {
                Err(failure) if !is_last => services.note(&failure, &context.id),
                Err(failure) => return Err(services.failed(&failure, error_format, &context.id)),
                Ok(value) => return Ok(value),
            }
            failures += 1;
        }
    }
}
