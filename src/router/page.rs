//! A page load: waits for t3, is redirected to itself with a session where it has none, and is forwarded.

use std::time::Duration;

use http::HeaderValue;
use http::header::HOST;

use crate::pairing::policy::{self, PairingDecision, RouteKind};
use crate::pairing::session_request::SessionRequest;
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;

impl InstanceRouter<'_> {
    pub(super) async fn page(
        &self,
        context: &RequestContext<'_>,
        body: Outbound,
    ) -> ClientResponse {
        let deadline = context.arrived + self.services.timing.page_patience;
        if !matches!(body, Outbound::Empty) {
            return self.page_with_body(context, body).await;
        }
        let attempt = |limit| self.try_page(context, limit);
        let asked = self.ask_until(context, deadline, ErrorFormat::Page, attempt);
        asked.await.unwrap_or_else(|response| response)
    }

    /// A body is sent once: such a page cannot be tried again.
    async fn page_with_body(&self, context: &RequestContext<'_>, body: Outbound) -> ClientResponse {
        let waiting = context.client.waiting();
        let deadline = context.arrived + self.services.timing.page_patience;
        let awaited = self.await_t3(context, Some(deadline), ErrorFormat::Page);
        if let Err(response) = awaited.await {
            return response;
        }
        let session = self.new_session(context).await;
        drop(waiting);
        match session {
            Some(set_cookies) => responses::paired(&context.head.uri, set_cookies),
            None => self.forward(context, body).await,
        }
    }

    async fn try_page(
        &self,
        context: &RequestContext<'_>,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        match self.new_session(context).await {
            Some(set_cookies) => Ok(responses::paired(&context.head.uri, set_cookies)),
            None => self.fetch(context, limit).await,
        }
    }

    /// The `Set-Cookie` lines of a new session, for a page load that has none or a dead one.
    async fn new_session(&self, context: &RequestContext<'_>) -> Option<Vec<HeaderValue>> {
        let session = self.session_cookie(&context.head.headers);
        let mut facts = self.facts(RouteKind::PageLoad, context);
        let mut decision = policy::pairing_decision(&facts);
        if let (PairingDecision::AskLiveness, Some(value)) = (decision, session) {
            facts.liveness = self.instance.pairing.liveness(value).await;
            decision = policy::pairing_decision(&facts);
        }
        if let (PairingDecision::KeepSession, Some(value)) = (decision, session) {
            let browser = &context.visitor.browser;
            self.instance.pairing.returned(browser, value);
        }
        if decision == PairingDecision::Unidentified {
            let (peer, host) = (context.client.peer.ip(), context.head.headers.get(HOST));
            self.services.access.explain_unidentified(peer, host);
        }
        if decision != PairingDecision::Pair {
            return None;
        }
        let target = context.head.uri.path_and_query();
        let request = || SessionRequest {
            browser: &context.visitor.browser,
            request_id: &context.id,
            target: target.map_or("/", |target| target.as_str()),
            arrived: context.arrived,
            had_session: session.is_some(),
            replaced: context.replaced.as_deref().or(session),
        };
        let deadline = context.arrived + self.services.timing.page_patience;
        let (pairing, readiness) = (&self.instance.pairing, &self.instance.readiness);
        loop {
            let session = pairing.pair(request()).await;
            if let Some(session) = session {
                return Some(session.set_cookies.clone());
            }
            // A t3 that has become busy meanwhile has failed nothing: it is waited for.
            if readiness.is_surely_up() || !readiness.wait_until_up_by(deadline).await {
                return None;
            }
        }
    }
}
