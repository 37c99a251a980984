//! The probe's WebSocket: agreed to here, without t3 and without a session.

use http::header::{RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http_rules::request_id::RequestId;
use crate::http_rules::websocket;
use crate::responses::{self, Answer};
use crate::router::context::{Opened, Outcome};
use crate::router::{Arrival, Router};

impl Router<'_> {
    /// Agrees to a handshake that was found clean (RFC 6455 §4.2.2), while there is a permit left.
    pub(super) fn probe(&self, arrival: &Arrival<'_>) -> Outcome {
        let Some(permit) = self.services.probes.permit() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut answer = responses::refused(status, "too many probes", &arrival.id);
            let later = HeaderValue::from_static("30");
            answer.headers_mut().insert(RETRY_AFTER, later);
            return answer.into();
        };
        let key = arrival.head.headers.get(SEC_WEBSOCKET_KEY);
        let accept = derive_accept_key(key.map_or(&[], HeaderValue::as_bytes));
        let mut answer = responses::switching();
        let headers = answer.headers_mut();
        websocket::mark_websocket(headers);
        if let Ok(accept) = HeaderValue::try_from(accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        Outcome {
            answer,
            opened: Some(Opened::Probe(permit)),
        }
    }
}

/// For whoever asks for something else where the probe is (RFC 9110 §15.5.22).
pub(super) fn upgrade_required(id: &RequestId) -> Answer {
    let status = StatusCode::UPGRADE_REQUIRED;
    let mut answer = responses::refused(status, "only a WebSocket is here", id);
    websocket::mark_websocket(answer.headers_mut());
    answer
}
