//! The page's own question for its session, by which a tab left open finds one again.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::heal::with_session;
use super::{Arrival, Dispatch, bodiless};
use crate::answers::{Answer, AnswerBody, Audience};
use crate::proxy;
use crate::upstream::Failure;

/// How much of t3's word on a session is read. It is under 1 KiB (contract §3).
const SESSION_LIMIT: usize = 64 * 1024;

impl Dispatch {
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

/// Only a definite no counts.
fn says_no_session(said: &Response<Bytes>) -> bool {
    let value = serde_json::from_slice::<Value>(said.body());
    said.status() == StatusCode::OK && value.is_ok_and(|value| value["authenticated"] == false)
}
