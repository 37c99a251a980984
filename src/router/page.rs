//! A page load: waits for t3, is redirected to itself with a session where it has none, and is forwarded.

use std::time::Duration;

use http::header::HOST;

use crate::http_rules::pair_link::PairLink;
use crate::pairing::policy::{self, PairingDecision, RouteKind};
use crate::pairing::session_request::SessionRequest;
use crate::pairing::tabs::NotPaired;
use crate::responses::{self, ClientResponse, ErrorFormat, pair_link};
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
            Some(response) => response,
            None => self.forward(context, body).await,
        }
    }

    async fn try_page(
        &self,
        context: &RequestContext<'_>,
        limit: Duration,
    ) -> Result<ClientResponse, Failure> {
        match self.new_session(context).await {
            Some(response) => Ok(response),
            None => self.fetch(context, limit).await,
        }
    }

    /// The response with a new session, to a page load that has none or a dead one; or that there is none to be
    /// had with the person's rights. `None` where it goes on to t3.
    async fn new_session(&self, context: &RequestContext<'_>) -> Option<ClientResponse> {
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
        let uri = &context.head.uri;
        match PairLink::of(uri.path(), uri.query()) {
            PairLink::Elsewhere => self.paired(context, session).await,
            // A new session would keep t3's page from spending the credential of an owner's own link (contract §6).
            PairLink::Possible => Some(pair_link::look_for_credential()),
            PairLink::Stated => None,
        }
    }

    /// The same for one that gets a session in the place of the one whose cookie is `session`.
    async fn paired(
        &self,
        context: &RequestContext<'_>,
        session: Option<&[u8]>,
    ) -> Option<ClientResponse> {
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
            match pairing.pair(request()).await {
                Ok(session) => {
                    let set_cookies = session.set_cookies.clone();
                    return Some(responses::paired(&context.head.uri, set_cookies));
                }
                Err(NotPaired::Refused(why)) => {
                    return Some(self.no_rights(context, &why, ErrorFormat::Page));
                }
                Err(NotPaired::Unpaired) => {}
            }
            // A t3 that has become busy meanwhile has failed nothing: it is waited for.
            if readiness.is_surely_up() || !readiness.wait_until_up_by(deadline).await {
                return None;
            }
        }
    }
}
