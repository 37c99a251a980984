//! The validation of a request, the same for both doors: before it nothing of a request counts.

use http::header::{ALLOW, CONNECTION, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tracing::debug;

use crate::http_rules::header_map;
use crate::http_rules::request_id::RequestId;
use crate::http_rules::validation::{self, Refusal};
use crate::responses::{self, ClientResponse};
use crate::router::Router;
use crate::state::client::Client;

/// Closes the connection behind the response to a request that was sent in chunks: hyper has dropped a
/// Content-Length beside Transfer-Encoding silently, and a client that sent both must not go on (RFC 9112 §6.1).
pub(super) fn end_after_chunks(response: &mut ClientResponse, is_chunked: bool) {
    let headers = response.headers_mut();
    if is_chunked && !headers.contains_key(UPGRADE) {
        header_map::close(headers);
    }
}

/// A request that was validated.
pub(super) struct ValidRequest {
    pub(super) id: RequestId,
    pub(super) is_chunked: bool,
    pub(super) wants_websocket: bool,
}

impl Router<'_> {
    /// Validates a request and removes the client's hop from it.
    ///
    /// # Errors
    /// The response to one that is refused.
    #[expect(clippy::result_large_err, reason = "it is the response")]
    pub(super) fn validate(
        &self,
        request: &mut Request<Incoming>,
        client: &Client,
    ) -> Result<ValidRequest, ClientResponse> {
        let id = self.services.request_ids.of(request.headers());
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        match validate(request, client) {
            Ok(wants_websocket) => Ok(ValidRequest {
                id,
                is_chunked,
                wants_websocket,
            }),
            Err(refusal) => {
                client.deadlines.exchange_began(None);
                Err(refused(refusal, &id))
            }
        }
    }
}

/// Validates a request and removes the client's hop from it. Does it ask for a WebSocket?
fn validate(request: &mut Request<Incoming>, client: &Client) -> Result<bool, Refusal> {
    client.scan.check()?;
    validation::check(request)?;
    let wants_websocket = validation::is_asked_for(request.headers());
    header_map::strip_request(request.headers_mut());
    if wants_websocket {
        validation::check_handshake(request)?;
    }
    Ok(wants_websocket)
}

/// Refuses a request and closes the connection: the end of such a request is ambiguous.
pub fn refused(refusal: Refusal, id: &RequestId) -> ClientResponse {
    debug!(why = refusal.why, request_id = %id, "request refused");
    let mut response = responses::refused(refusal.status, refusal.why, id);
    let headers = response.headers_mut();
    header_map::close(headers);
    match refusal.status {
        // RFC 9110 §7.8, §15.5.6, §15.5.22.
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static(validation::ALLOWED_METHODS));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(CONNECTION, HeaderValue::from_static("close, upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    response
}
