//! A page load: it waits for t3, comes back with a session where it has none, and is forwarded.

use std::time::Duration;

use http::HeaderValue;

use crate::pairing::SessionRequest;
use crate::pairing::policy::{self, PairingDecision, RouteKind};
use crate::responses::{self, Answer, Audience};
use crate::router::{Arrival, Router};
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;

/// How long a person waits for a t3 that is not up before being told so.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);

impl Router<'_> {
    pub(super) async fn page(&self, arrival: Arrival<'_>, body: Outbound) -> Answer {
        let deadline = arrival.at + PAGE_PATIENCE;
        if !matches!(body, Outbound::Empty) {
            // A body is sent once: such a page cannot come again.
            let waiting = arrival.client.waiting();
            let is_up = self.services.readiness.is_up_by(deadline).await;
            drop(waiting);
            return match is_up {
                true => self.page_with_body(arrival, body).await,
                false => self.services.not_up(Audience::Person, &arrival.id),
            };
        }
        let attempt = |limit| self.page_once(&arrival, limit);
        match self.persist(&arrival, deadline, attempt).await {
            Some(Ok(answer)) => answer,
            Some(Err(failure)) => self
                .services
                .failed(&failure, Audience::Person, &arrival.id),
            None => self.services.not_up(Audience::Person, &arrival.id),
        }
    }

    async fn page_with_body(&self, arrival: Arrival<'_>, body: Outbound) -> Answer {
        match self.new_session(&arrival).await {
            Some(set_cookies) => responses::paired(&arrival.head.uri, set_cookies),
            None => self.forward(arrival, body).await,
        }
    }

    async fn page_once(&self, arrival: &Arrival<'_>, limit: Duration) -> Result<Answer, Failure> {
        if let Some(set_cookies) = self.new_session(arrival).await {
            return Ok(responses::paired(&arrival.head.uri, set_cookies));
        }
        let _waiting = arrival.client.waiting();
        self.forward_bodiless(arrival, limit).await
    }

    /// The `Set-Cookie` lines of a new session, for a page load that has none or a dead one.
    async fn new_session(&self, arrival: &Arrival<'_>) -> Option<Vec<HeaderValue>> {
        let session = self.session_of(&arrival.head.headers);
        let _waiting = arrival.client.waiting();
        let mut facts = self.facts(RouteKind::PageLoad, arrival);
        let mut decision = policy::pairing_decision(&facts);
        if let (PairingDecision::AskLiveness, Some(value)) = (decision, session) {
            facts.liveness = self.services.pairing.liveness(value).await;
            decision = policy::pairing_decision(&facts);
        }
        if decision == PairingDecision::Stranger {
            let peer = arrival.client.peer.ip();
            self.services.door.explain_stranger(peer);
        }
        if decision != PairingDecision::Pair {
            return None;
        }
        let target = arrival.head.uri.path_and_query();
        let request = SessionRequest {
            browser: &arrival.visitor.browser,
            request_id: &arrival.id,
            target: target.map_or("/", |target| target.as_str()),
            arrived: arrival.at,
            had_session: session.is_some(),
        };
        let session = self.services.pairing.pair(request).await?;
        Some(session.set_cookies.clone())
    }
}
