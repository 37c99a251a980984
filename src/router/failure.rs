//! Responses of the router where a request is refused or denied.

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tracing::debug;

use crate::http_rules::navigation;
use crate::http_rules::request_id::RequestId;
use crate::http_rules::validation::Refusal;
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::router::Router;
use crate::router::context::RequestContext;

impl Router<'_> {
    /// 403 for a person who is not on the list of allowed users.
    pub(super) fn barred(&self, context: &RequestContext<'_>) -> ClientResponse {
        let user = context.visitor.browser.user();
        debug!(user, request_id = %context.id, "not an allowed user");
        responses::barred(user, error_format(&context.head.headers), &context.id)
    }
}

/// A page where a person would see the response, also to a form that was sent.
pub(super) fn error_format(headers: &HeaderMap) -> ErrorFormat {
    match navigation::wants_document(headers) {
        true => ErrorFormat::Page,
        false => ErrorFormat::Json,
    }
}

/// Refuses a request and closes the connection: the end of such a request is ambiguous.
pub(super) fn refused(refusal: Refusal, id: &RequestId) -> ClientResponse {
    debug!(why = refusal.why, request_id = %id, "request refused");
    let mut response = responses::refused(refusal.status, refusal.why, id);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}
