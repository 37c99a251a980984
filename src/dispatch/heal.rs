//! A tab left open finds its session again: on its next WebSocket, or when its script asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, SET_COOKIE};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio::time::Instant;

use super::{Client, Dispatch, Outcome, bodiless};
use crate::answers::{Answer, AnswerBody, Audience};
use crate::origin;
use crate::pairing::{Ask, Session};
use crate::proxy;
use crate::session;
use crate::upstream::Failure;

/// How long an upgrade waits for a t3 that is not up: an open cockpit tries only a few times, and
/// ever more rarely (contract §9).
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

/// How much of t3's word on a session is read. It is under 1 KiB (contract §3).
const SESSION_LIMIT: usize = 64 * 1024;

impl Dispatch {
    pub(super) async fn upgrade(&self, head: Parts, client: &Client, arrived: Instant) -> Outcome {
        let attempt = |limit| proxy::upgrade(&self.upstream, bodiless(&head), limit);
        match self.persist(arrived + UPGRADE_PATIENCE, attempt).await {
            Some(Ok((answer, None))) if answer.status() == StatusCode::UNAUTHORIZED => {
                self.heal_upgrade(head, answer, client, arrived).await
            }
            Some(Ok((answer, tunnel))) => Outcome { answer, tunnel },
            Some(Err(failure)) => self.failed(&failure, Audience::Script).into(),
            None => self.not_up(Audience::Script).into(),
        }
    }

    /// t3 refused an upgrade: with a new session it is tried once more, if the page that asks is
    /// this origin's own.
    async fn heal_upgrade(
        &self,
        mut head: Parts,
        refused: Answer,
        client: &Client,
        arrived: Instant,
    ) -> Outcome {
        let by_ticket = head
            .uri
            .query()
            .is_some_and(|query| query.contains("wsTicket="));
        if by_ticket || !origin::is_own_upgrade(&head.headers) {
            return refused.into();
        }
        let Some(session) = self.heal(&mut head, client, arrived).await else {
            return refused.into();
        };
        let limit = self.upstream.response_timeout();
        match proxy::upgrade(&self.upstream, bodiless(&head), limit).await {
            Ok((answer, tunnel)) => Outcome {
                answer: with_session(answer, &session),
                tunnel,
            },
            Err(failure) => self.failed(&failure, Audience::Script).into(),
        }
    }

    /// `GET /api/auth/session` by the page's own script: where t3 says that there is no session,
    /// the answer is the state of a new one.
    pub(super) async fn own_session(
        &self,
        mut head: Parts,
        client: &Client,
        arrived: Instant,
    ) -> Answer {
        if !self.readiness.is_up_now().await {
            return self.not_up(Audience::Script);
        }
        let said = match self.session_state(&head, client).await {
            Ok(said) => said,
            Err(failure) => return self.failed(&failure, Audience::Script),
        };
        if !says_no_session(&said) {
            return said.map(AnswerBody::Own);
        }
        let Some(session) = self.heal(&mut head, client, arrived).await else {
            return said.map(AnswerBody::Own);
        };
        let said = self.session_state(&head, client).await.unwrap_or(said);
        with_session(said.map(AnswerBody::Own), &session)
    }

    /// A new session for the browser that sent `head`, and its cookie in the place of the old.
    async fn heal(
        &self,
        head: &mut Parts,
        client: &Client,
        arrived: Instant,
    ) -> Option<Arc<Session>> {
        if head.headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let old = self.session_of(&head.headers);
        if let Some(value) = old {
            self.pairing.forget(value);
        }
        let browser = self.browser(&head.headers, client);
        let ask = Ask {
            browser: &browser,
            target: head.uri.path(),
            arrived,
            had_session: old.is_some(),
        };
        let session = self.pairing.pair(ask).await.ok()?;
        let (name, value) = (&session.cookie_name, &session.cookie_value);
        session::replace_session_cookie(&mut head.headers, name, value);
        Some(session)
    }

    /// What t3 says of the session in `head`, in whole.
    async fn session_state(
        &self,
        head: &Parts,
        client: &Client,
    ) -> Result<Response<Bytes>, Failure> {
        let limit = self.upstream.response_timeout();
        let answer = proxy::forward(&self.upstream, bodiless(head), limit, &client.interim);
        let (head, body) = answer.await?.into_parts();
        let body = Limited::new(body, SESSION_LIMIT).collect().await;
        let body = body.map_err(|_| Failure::Unreadable)?.to_bytes();
        let mut said = Response::from_parts(head, body);
        // The length is written anew, whatever the framing was.
        said.headers_mut().remove(CONTENT_LENGTH);
        Ok(said)
    }
}

fn with_session(mut answer: Answer, session: &Session) -> Answer {
    for line in &session.set_cookies {
        answer.headers_mut().append(SET_COOKIE, line.clone());
    }
    answer
}

/// Only a definite no counts.
fn says_no_session(said: &Response<Bytes>) -> bool {
    let value = serde_json::from_slice::<Value>(said.body());
    said.status() == StatusCode::OK && value.is_ok_and(|value| value["authenticated"] == false)
}
