//! Healing: a tab left open gets a new session on its next upgrade, or when its page asks for its session.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::http_rules::cookies;
use crate::pairing::SessionRequest;
use crate::pairing::exchange::Session;
use crate::pairing::policy::{self, Liveness, RequestFacts, RouteKind};
use crate::responses::body::AnswerBody;
use crate::responses::{Answer, Audience};
use crate::router::{Arrival, Router, bodiless};
use crate::upstream::error::Failure;
use crate::upstream::forward;

/// How much of t3's word on a session is read. It is under 1 KiB (contract §3).
const SESSION_LIMIT: usize = 64 * 1024;

impl Router<'_> {
    /// `GET /api/auth/session` by the page's own script: where t3 says that there is no session,
    /// the answer is the state of a new one.
    pub(super) async fn own_session(&self, mut arrival: Arrival<'_>) -> Answer {
        let waiting = arrival.client.waiting();
        let is_up = self.services.readiness.is_up_now().await;
        drop(waiting);
        if !is_up {
            return self.services.not_up(Audience::Script, &arrival.id);
        }
        let said = match self.session_state(&arrival).await {
            Ok(said) => said,
            Err(failure) => {
                return self
                    .services
                    .failed(&failure, Audience::Script, &arrival.id);
            }
        };
        if !says_no_session(&said) {
            return said.map(AnswerBody::Own);
        }
        let mut facts = self.facts(RouteKind::SessionQuery, &arrival);
        facts.liveness = Liveness::Dead;
        let Some(session) = self.heal(&mut arrival, &facts).await else {
            return said.map(AnswerBody::Own);
        };
        let said = self.session_state(&arrival).await.unwrap_or(said);
        with_session(said.map(AnswerBody::Own), &session)
    }

    /// The facts on which the pairing policy decides, before t3 has been asked.
    pub(super) fn facts(&self, route: RouteKind, arrival: &Arrival<'_>) -> RequestFacts {
        let head = &arrival.head;
        let has_session = self.session_of(&head.headers).is_some();
        let is_behind_sso = self.services.door.identity_header().is_some();
        let standing = arrival.visitor.standing;
        RequestFacts::of(route, head, standing, has_session, is_behind_sso)
    }

    /// A new session for the browser whose request t3 refused, and its cookie in the place of the
    /// old one. `None` if the policy heals no such request, or pairing fails.
    pub(super) async fn heal(
        &self,
        arrival: &mut Arrival<'_>,
        facts: &RequestFacts,
    ) -> Option<Arc<Session>> {
        if !policy::is_healed(facts) {
            return None;
        }
        let head = &mut arrival.head;
        let old = self.session_of(&head.headers);
        if let Some(value) = old {
            self.services.pairing.forget(value);
        }
        let request = SessionRequest {
            browser: &arrival.visitor.browser,
            request_id: &arrival.id,
            target: head.uri.path(),
            arrived: arrival.at,
            had_session: old.is_some(),
        };
        let waiting = arrival.client.waiting();
        let session = self.services.pairing.pair(request).await;
        drop(waiting);
        let session = session?;
        let (name, value) = (&session.cookie_name, &session.cookie_value);
        cookies::replace_session_cookie(&mut head.headers, name, value);
        Some(session)
    }

    /// What t3 says of the session in a request, in whole.
    async fn session_state(&self, arrival: &Arrival<'_>) -> Result<Response<Bytes>, Failure> {
        let limit = self.services.upstream.response_timeout();
        let interim = &arrival.client.interim;
        let _waiting = arrival.client.waiting();
        let answer = forward::forward(
            &self.services.upstream,
            bodiless(&arrival.head),
            limit,
            interim,
        );
        let (head, body) = answer.await?.into_parts();
        let body = Limited::new(body, SESSION_LIMIT).collect().await;
        let body = body.map_err(|_| Failure::Unreadable)?.to_bytes();
        let mut said = Response::from_parts(head, body);
        // The length is written anew, whatever the framing was.
        said.headers_mut().remove(CONTENT_LENGTH);
        Ok(said)
    }
}

/// Only a definite no counts.
fn says_no_session(said: &Response<Bytes>) -> bool {
    let value = serde_json::from_slice::<Value>(said.body());
    said.status() == StatusCode::OK && value.is_ok_and(|value| value["authenticated"] == false)
}

pub(super) fn with_session(mut answer: Answer, session: &Session) -> Answer {
    for line in &session.set_cookies {
        answer.headers_mut().append(SET_COOKIE, line.clone());
    }
    answer
}
