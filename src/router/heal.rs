//! Healing: a tab left open gets a new session on its next upgrade, or when its page asks for its session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::http_rules::cookies;
use crate::http_rules::pair_link::PairLink;
use crate::pairing::exchange::Session;
use crate::pairing::policy::{self, Liveness, RequestFacts, RouteKind};
use crate::pairing::session_request::SessionRequest;
use crate::pairing::tabs::NotPaired;
use crate::responses::body::ResponseBody;
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;

/// How much of t3's response about a session is read. It is under 1 KiB (contract §3).
const SESSION_LIMIT_BYTES: usize = 64 * 1024;

impl InstanceRouter<'_> {
    /// `GET /api/auth/session` by the page's own script: where t3 knows no session, the response is
    /// the state of a new one.
    pub(super) async fn session_query(&self, mut context: RequestContext<'_>) -> ClientResponse {
        let asked = self.ask_session(&context).await;
        let state = match asked {
            Ok(state) => state,
            Err(response) => return response,
        };
        if !is_unauthenticated(&state) {
            return state.map(ResponseBody::Own);
        }
        let mut facts = self.facts(RouteKind::SessionQuery, &context);
        facts.liveness = Liveness::Dead;
        let session = match self.heal(&mut context, &facts).await {
            Ok(Some(session)) => session,
            Ok(None) => return state.map(ResponseBody::Own),
            Err(refusal) => return refusal,
        };
        let state = self.ask_session(&context).await.unwrap_or(state);
        with_session(state.map(ResponseBody::Own), &session)
    }

    /// The facts on which the pairing policy decides, before t3 has been asked.
    pub(super) fn facts(&self, route: RouteKind, context: &RequestContext<'_>) -> RequestFacts {
        let head = &context.head;
        let has_session = self.session_cookie(&head.headers).is_some();
        let is_behind_sso = self.services.access.is_behind_single_sign_on();
        RequestFacts::of(route, head, &context.visitor, has_session, is_behind_sso)
    }

    /// A new session for the browser whose request t3 refused; its cookie replaces the old one in the
    /// request. `None` if the policy does not heal it, or pairing fails. An error is the response to one whose
    /// person cannot be given the rights that are that one's.
    pub(super) async fn heal(
        &self,
        context: &mut RequestContext<'_>,
        facts: &RequestFacts,
    ) -> Result<Option<Arc<Session>>, ClientResponse> {
        let head = &mut context.head;
        // t3's page for a link spends the credential only where there is no session yet (contract §6).
        let is_of_link = PairLink::of_sender(&head.headers) == PairLink::Stated;
        if is_of_link || !policy::is_healed(facts) {
            return Ok(None);
        }
        let old = self.session_cookie(&head.headers);
        if let Some(value) = old {
            self.instance.pairing.forget(value);
        }
        let request = SessionRequest {
            browser: &context.visitor.browser,
            request_id: &context.id,
            target: head.uri.path(),
            arrived: context.arrived,
            had_session: old.is_some(),
            replaced: context.replaced.as_deref().or(old),
        };
        let waiting = context.client.waiting();
        let session = self.instance.pairing.pair(request).await;
        drop(waiting);
        let session = match session {
            Ok(session) => session,
            Err(NotPaired::Unpaired) => return Ok(None),
            Err(NotPaired::Refused(why)) => {
                return Err(self.no_rights(context, &why, ErrorFormat::Json));
            }
        };
        let (name, value) = (&session.cookie_name, &session.cookie_value);
        cookies::replace_session_cookie(&mut head.headers, name, value);
        Ok(Some(session))
    }

    /// 403 where a session with the person's rights cannot be made, for the reason `why`.
    pub(super) fn no_rights(
        &self,
        context: &RequestContext<'_>,
        why: &str,
        error_format: ErrorFormat,
    ) -> ClientResponse {
        let browser = &context.visitor.browser;
        let (user, rights) = (browser.user(), browser.rights.text());
        responses::no_rights(user, rights, why, error_format, &context.id)
    }

    async fn ask_session(
        &self,
        context: &RequestContext<'_>,
    ) -> Result<Response<Bytes>, ClientResponse> {
        let attempt = |limit| self.session_state(context, limit);
        self.ask_once(context, ErrorFormat::Json, attempt).await
    }

    /// t3's whole response about the session of a request.
    async fn session_state(
        &self,
        context: &RequestContext<'_>,
        limit: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let response = self.send(context, Outbound::Empty, limit).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, SESSION_LIMIT_BYTES).collect().await;
        let body = body.map_err(|_| Failure::Unreadable)?.to_bytes();
        let mut state = Response::from_parts(head, body);
        // The length is written anew, whatever the framing was.
        state.headers_mut().remove(CONTENT_LENGTH);
        Ok(state)
    }
}

/// Only a definite no counts.
fn is_unauthenticated(state: &Response<Bytes>) -> bool {
    let value = serde_json::from_slice::<Value>(state.body());
    state.status() == StatusCode::OK && value.is_ok_and(|value| value["authenticated"] == false)
}

/// `response` with the `Set-Cookie` lines of `session`.
pub(super) fn with_session(mut response: ClientResponse, session: &Session) -> ClientResponse {
    for line in &session.set_cookies {
        response.headers_mut().append(SET_COOKIE, line.clone());
    }
    response
}
