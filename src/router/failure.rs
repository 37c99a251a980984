//! What the dispatcher answers itself where t3 does not, or may not, and what it notes of that.

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tracing::debug;

use crate::http_rules::navigation;
use crate::http_rules::request_id::RequestId;
use crate::http_rules::validation::Refusal;
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::router::{Arrival, Router};

impl Router<'_> {
    /// For somebody who is known and not on the list.
    pub(super) fn barred(&self, arrival: &Arrival<'_>) -> ClientResponse {
        let user = arrival.visitor.browser.user();
        debug!(user, request_id = %arrival.id, "not on the list");
        responses::barred(user, error_format(&arrival.head.headers), &arrival.id)
    }
}

/// A form that a person sent is answered by a page too.
pub(super) fn error_format(headers: &HeaderMap) -> ErrorFormat {
    match navigation::wants_document(headers) {
        true => ErrorFormat::Page,
        false => ErrorFormat::Json,
    }
}

/// Says why, and closes the connection: what comes behind such a request cannot be told apart.
pub(super) fn refused(refusal: Refusal, id: &RequestId) -> ClientResponse {
    debug!(why = refusal.why, request_id = %id, "request refused");
    let mut answer = responses::refused(refusal.status, refusal.why, id);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    answer
}
