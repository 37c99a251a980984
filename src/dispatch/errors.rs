//! What the dispatcher answers itself where t3 does not, or may not, and what it notes of that.

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tracing::{debug, warn};

use super::{Arrival, Dispatch};
use crate::answers::{self, Answer, Audience};
use crate::hygiene::Refusal;
use crate::navigation;
use crate::request_id::RequestId;
use crate::upstream::Failure;

impl Dispatch {
    /// For somebody who is known and not on the list.
    pub(super) fn barred(&self, arrival: &Arrival<'_>) -> Answer {
        let user = arrival.visitor.browser.user();
        debug!(user, request_id = %arrival.id, "not on the list");
        answers::barred(user, audience(&arrival.head.headers), &arrival.id)
    }

    /// Notes what a failure says of t3, and answers it.
    pub fn failed(&self, failure: &Failure, audience: Audience, id: &RequestId) -> Answer {
        self.note(failure, id);
        let (status, upstream) = (failure.status(), self.upstream.to_string());
        match failure {
            // Whoever cut its own body short reads no more; t3 is not to blame.
            Failure::RequestBody => answers::refused(status, "incomplete request body", id),
            _ => answers::no_answer(status, &upstream, audience, id),
        }
    }

    /// Notes what a failure says of t3.
    pub(super) fn note(&self, failure: &Failure, id: &RequestId) {
        let Some(cause) = failure.cause() else {
            debug!(request_id = %id, %failure, "request cut short");
            return;
        };
        self.readiness.doubt();
        self.metrics.no_answer(cause);
        warn!(request_id = %id, %failure, upstream = %self.upstream, "no answer from t3");
    }

    /// t3 is not up, and whoever asked has waited as long as it may.
    pub(super) fn not_up(&self, audience: Audience, id: &RequestId) -> Answer {
        let status = match audience {
            Audience::Person => self.door.waiting_status(),
            Audience::Script => http::StatusCode::SERVICE_UNAVAILABLE,
        };
        let state = self.readiness.status().state;
        answers::not_up(status, &self.upstream.to_string(), state, audience, id)
    }
}

/// A form that a person sent is answered by a page too.
pub(super) fn audience(headers: &HeaderMap) -> Audience {
    match navigation::wants_document(headers) {
        true => Audience::Person,
        false => Audience::Script,
    }
}

/// Says why, and closes the connection: what comes behind such a request cannot be told apart.
pub(super) fn refused(refusal: Refusal, id: &RequestId) -> Answer {
    debug!(why = refusal.why, request_id = %id, "request refused");
    let mut answer = answers::refused(refusal.status, refusal.why, id);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    answer
}
