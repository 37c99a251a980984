//! A tab left open finds its session again: on its next WebSocket, or when its script asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::{Arrival, Dispatch, OpenTunnel, Opened, Outcome, bodiless};
use crate::answers::{Answer, AnswerBody, Audience, refused};
use crate::cookies;
use crate::door::Standing;
use crate::origin;
use crate::pairing::{Ask, Session};
use crate::proxy;
use crate::session::Proof;
use crate::tunnel::Side;
use crate::tunnels::Place;
use crate::upstream::Failure;

/// How long an upgrade waits for a t3 that is not up: an open cockpit tries only a few times, and
/// ever more rarely (contract §9).
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

/// How much of t3's word on a session is read. It is under 1 KiB (contract §3).
const SESSION_LIMIT: usize = 64 * 1024;

impl Dispatch {
    pub(super) async fn upgrade(&self, arrival: Arrival<'_>) -> Outcome {
        let headers = &arrival.head.headers;
        let is_foreign = headers.contains_key(ORIGIN) && !origin::origin_is_host(headers);
        if is_foreign && self.door.refuses_foreign_upgrades() {
            return refused(StatusCode::FORBIDDEN, "another origin's page", &arrival.id).into();
        }
        let Some(place) = self.tunnels.place(arrival.visitor.owner()) else {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return refused(status, "too many WebSockets", &arrival.id).into();
        };
        let attempt = |limit| self.try_upgrade(&arrival, limit);
        let deadline = arrival.at + UPGRADE_PATIENCE;
        match self.persist(&arrival, deadline, attempt).await {
            Some(Ok((answer, None))) if answer.status() == StatusCode::UNAUTHORIZED => {
                self.heal_upgrade(arrival, answer, place).await
            }
            Some(Ok((answer, side))) => self.opened(&arrival, answer, side, place),
            Some(Err(failure)) => self.failed(&failure, Audience::Script, &arrival.id).into(),
            None => self.not_up(Audience::Script, &arrival.id).into(),
        }
    }

    async fn try_upgrade(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<(Answer, Option<Side>), Failure> {
        let _waiting = arrival.client.waiting();
        proxy::upgrade(&self.upstream, bodiless(&arrival.head), limit).await
    }

    /// t3 refused an upgrade: with a new session it is tried once more, if the page that asks is
    /// this origin's own.
    async fn heal_upgrade(
        &self,
        mut arrival: Arrival<'_>,
        refused: Answer,
        place: Place,
    ) -> Outcome {
        if by_ticket(&arrival.head) || !origin::is_own_upgrade(&arrival.head.headers) {
            return refused.into();
        }
        let Some(session) = self.heal(&mut arrival).await else {
            return refused.into();
        };
        let limit = self.upstream.response_timeout();
        match self.try_upgrade(&arrival, limit).await {
            Ok((answer, side)) => {
                let answer = with_session(answer, &session);
                self.opened(&arrival, answer, side, place)
            }
            Err(failure) => self.failed(&failure, Audience::Script, &arrival.id).into(),
        }
    }

    /// What t3 answered to an upgrade, and the tunnel where it agreed.
    fn opened(
        &self,
        arrival: &Arrival<'_>,
        answer: Answer,
        side: Option<Side>,
        mut place: Place,
    ) -> Outcome {
        let opened = side.map(|upstream| {
            if let Some(proof) = self.proof(&arrival.head) {
                place.lives_by(proof);
            }
            Opened::Tunnel(Box::new(OpenTunnel {
                upstream,
                address: arrival.visitor.browser.address,
                request_id: arrival.id.clone(),
                place,
            }))
        });
        Outcome { answer, opened }
    }

    /// By what t3 let an upgrade in (contract §3, §5). A ticket cannot be asked for.
    fn proof(&self, head: &Parts) -> Option<Proof> {
        if by_ticket(head) {
            return None;
        }
        let name = self.readiness.cookie_name();
        match cookies::session_cookie(&head.headers, &name) {
            Some(value) => Proof::cookie(&name, value),
            None => head
                .headers
                .get(AUTHORIZATION)
                .cloned()
                .map(Proof::authorization),
        }
    }

    /// `GET /api/auth/session` by the page's own script: where t3 says that there is no session,
    /// the answer is the state of a new one.
    pub(super) async fn own_session(&self, mut arrival: Arrival<'_>) -> Answer {
        let waiting = arrival.client.waiting();
        let is_up = self.readiness.is_up_now().await;
        drop(waiting);
        if !is_up {
            return self.not_up(Audience::Script, &arrival.id);
        }
        let said = match self.session_state(&arrival).await {
            Ok(said) => said,
            Err(failure) => return self.failed(&failure, Audience::Script, &arrival.id),
        };
        if !says_no_session(&said) {
            return said.map(AnswerBody::Own);
        }
        let Some(session) = self.heal(&mut arrival).await else {
            return said.map(AnswerBody::Own);
        };
        let said = self.session_state(&arrival).await.unwrap_or(said);
        with_session(said.map(AnswerBody::Own), &session)
    }

    /// A new session for the browser that sent a request, and its cookie in the place of the old.
    async fn heal(&self, arrival: &mut Arrival<'_>) -> Option<Arc<Session>> {
        let head = &mut arrival.head;
        let is_welcome = arrival.visitor.standing == Standing::Welcome;
        if !is_welcome || head.headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let old = self.session_of(&head.headers);
        if let Some(value) = old {
            self.pairing.forget(value);
        }
        let ask = Ask {
            browser: &arrival.visitor.browser,
            request_id: &arrival.id,
            target: head.uri.path(),
            arrived: arrival.at,
            had_session: old.is_some(),
        };
        let waiting = arrival.client.waiting();
        let session = self.pairing.pair(ask).await;
        drop(waiting);
        let session = session.ok()?;
        let (name, value) = (&session.cookie_name, &session.cookie_value);
        cookies::replace_session_cookie(&mut head.headers, name, value);
        Some(session)
    }

    /// What t3 says of the session in a request, in whole.
    async fn session_state(&self, arrival: &Arrival<'_>) -> Result<Response<Bytes>, Failure> {
        let limit = self.upstream.response_timeout();
        let interim = &arrival.client.interim;
        let _waiting = arrival.client.waiting();
        let answer = proxy::forward(&self.upstream, bodiless(&arrival.head), limit, interim);
        let (head, body) = answer.await?.into_parts();
        let body = Limited::new(body, SESSION_LIMIT).collect().await;
        let body = body.map_err(|_| Failure::Unreadable)?.to_bytes();
        let mut said = Response::from_parts(head, body);
        // The length is written anew, whatever the framing was.
        said.headers_mut().remove(CONTENT_LENGTH);
        Ok(said)
    }
}

/// A ticket decides alone, whatever cookie is beside it (contract §5).
fn by_ticket(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.contains("wsTicket=") || query.contains("wsToken=")
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
