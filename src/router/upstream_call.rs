//! The one way to ask t3: waits until it is up, makes the attempt, and responds for a t3 that fails.
//!
//! A t3 that is up is asked once, however long it takes, within the response timeout. Only evidence that it
//! has lost a page or an upgrade has that asked again.

use std::time::Duration;

use tokio::time::Instant;

use crate::access::visitor::Standing;
use crate::responses::{ClientResponse, ErrorFormat};
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;
use crate::upstream::error::Failure;
use crate::upstream::health_state::HealthState;

impl InstanceRouter<'_> {
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
        let instance = self.instance;
        let _waiting = context.client.waiting();
        self.await_t3(context, None, error_format).await?;
        let outcome = attempt(instance.upstream.response_timeout()).await;
        outcome.map_err(|failure| instance.failed(&failure, error_format, &context.id))
    }

    /// Makes `attempt` once t3 is up, for which it waits until `deadline`. It is made again where t3 went away
    /// and has lost what it was asked, for as long as there is time, and once where nothing was sent.
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
        let (instance, id) = (self.instance, &context.id);
        let readiness = &instance.readiness;
        let _waiting = context.client.waiting();
        let mut was_unsent = false;
        loop {
            self.await_t3(context, Some(deadline), error_format).await?;
            let seen = readiness.restarts();
            let failure = tokio::select! {
                outcome = attempt(instance.upstream.response_timeout()) => match outcome {
                    Ok(value) => return Ok(value),
                    Err(failure) => failure,
                },
                () = readiness.wait_until_gone(seen) => continue,
            };
            instance.note(&failure, id);
            let is_up = readiness.resolve_is_up().await;
            let is_free = failure.is_unsent() && !std::mem::replace(&mut was_unsent, true);
            if is_up && readiness.restarts() == seen && !is_free {
                return Err(instance.no_response(&failure, error_format, id));
            }
        }
    }

    /// Waits until t3 responds, as [`Self::state_by`] says.
    ///
    /// # Errors
    /// The response for a t3 that is not up in time.
    pub(super) async fn await_t3(
        &self,
        context: &RequestContext<'_>,
        patience: Option<Instant>,
        error_format: ErrorFormat,
    ) -> Result<(), ClientResponse> {
        let (instance, id) = (self.instance, &context.id);
        match self.state_by(context, patience).await {
            HealthState::Up => Ok(()),
            state if state.is_away() => Err(instance.not_up(error_format, id)),
            _ => Err(instance.failed(&Failure::ResponseTimeout, error_format, id)),
        }
    }

    /// The state of t3 once it responds, or when nobody waits any more: until `patience` for one that is away,
    /// if that is given, and for one that is busy until the response timeout after the request came. Who waits
    /// for one that is down, and is let in, has it started.
    pub(super) async fn state_by(
        &self,
        context: &RequestContext<'_>,
        patience: Option<Instant>,
    ) -> HealthState {
        let instance = self.instance;
        let is_allowed = context.visitor.standing == Standing::Allowed;
        let wakes = patience.filter(|_| is_allowed);
        if let Some(patience) = wakes {
            instance.want(patience).await;
        }
        let now = Instant::now();
        instance.look(now);
        let own_end = context.arrived + instance.upstream.response_timeout();
        let own_time = own_end.saturating_duration_since(now);
        let state = instance.readiness.settle(own_time).await;
        if !state.is_away() {
            return state;
        }
        if wakes.is_some() && state == HealthState::Down {
            instance.wake();
        }
        let patience = patience.unwrap_or(now);
        match instance.readiness.wait_until_up_by(patience).await {
            true => HealthState::Up,
            false => state,
        }
    }
}
