//! Probes that end here, without t3 and without a session: a WebSocket's, and the dispatcher's own.

use http::header::{RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http_rules::request_id::RequestId;
use crate::http_rules::validation;
use crate::responses::{self, ClientResponse};
use crate::router::Router;
use crate::router::context::{AfterSwitch, RequestContext, RoutedResponse};
use crate::upstream::probe::{self, PROBED_BY};

impl Router<'_> {
    /// Accepts a valid handshake (RFC 6455 §4.2.2), while there are fewer probes than the limit.
    pub(super) fn probe(&self, context: &RequestContext<'_>) -> RoutedResponse {
        let Some(permit) = self.services.probes.permit() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut response = responses::refused(status, "too many probes", &context.id);
            let later = HeaderValue::from_static("30");
            response.headers_mut().insert(RETRY_AFTER, later);
            return response.into();
        };
        let key = context.head.headers.get(SEC_WEBSOCKET_KEY);
        let accept = derive_accept_key(key.map_or(&[], HeaderValue::as_bytes));
        let mut response = responses::switching();
        let headers = response.headers_mut();
        validation::mark_websocket(headers);
        if let Ok(accept) = HeaderValue::try_from(accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        RoutedResponse {
            after_switch: Some(AfterSwitch::Probe(permit)),
            ..response.into()
        }
    }
}

impl Router<'_> {
    /// Has this process sent the request to learn whether t3 is up?
    pub(super) fn is_own_probe(&self, context: &RequestContext<'_>) -> bool {
        let (path, headers) = (context.head.uri.path(), &context.head.headers);
        probe::is_probe_of(&self.services.process_id, path, headers)
    }

    /// 508 to the dispatcher's own probe of t3, with its id, by which it knows the response for its own.
    pub(super) fn itself(&self, context: &RequestContext<'_>) -> ClientResponse {
        let status = StatusCode::LOOP_DETECTED;
        let mut response = responses::refused(status, "this is the dispatcher itself", &context.id);
        let id = self.services.process_id.clone();
        response.headers_mut().insert(PROBED_BY, id);
        response
    }
}

/// 426 to a request for the probe that is not an upgrade (RFC 9110 §15.5.22).
pub(super) fn upgrade_required(id: &RequestId) -> ClientResponse {
    let status = StatusCode::UPGRADE_REQUIRED;
    let mut response = responses::refused(status, "only a WebSocket is here", id);
    validation::mark_websocket(response.headers_mut());
    response
}
