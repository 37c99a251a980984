//! The report of a failed request to t3, and the response to its client.

use tracing::debug;

use crate::http_rules::request_id::RequestId;
use crate::limited;
use crate::responses::{self, ClientResponse, ErrorFormat, unavailable};
use crate::state::Services;
use crate::upstream::error::Failure;

impl Services {
    /// A tunnel was ended by t3's side: t3 may be gone.
    pub fn tunnel_lost(&self) {
        self.readiness.doubt();
    }

    /// Reports a failure; returns the response for it.
    pub fn failed(
        &self,
        failure: &Failure,
        error_format: ErrorFormat,
        id: &RequestId,
    ) -> ClientResponse {
        self.note(failure, id);
        let (status, upstream) = (failure.status(), self.upstream.to_string());
        match failure {
            // A client that cut its own body short reads no more; t3 is not to blame.
            Failure::RequestBody => responses::refused(status, "incomplete request body", id),
            _ => unavailable::no_response(status, &upstream, error_format, id),
        }
    }

    /// Reports a failure: in the log, the metrics, and as a doubt about t3.
    pub fn note(&self, failure: &Failure, id: &RequestId) {
        let Some(cause) = failure.cause() else {
            debug!(request_id = %id, %failure, "request cut short");
            return;
        };
        self.readiness.doubt();
        self.metrics.no_answer(cause);
        let upstream = &self.upstream;
        limited!(WARN, "no response from t3"; request_id = %id, %failure, %upstream);
    }

    /// The response while t3 is not up.
    pub fn not_up(&self, error_format: ErrorFormat, id: &RequestId) -> ClientResponse {
        let status = match error_format {
            ErrorFormat::Page => self.access.waiting_status(),
            ErrorFormat::Json => http::StatusCode::SERVICE_UNAVAILABLE,
        };
        let state = self.readiness.status().state;
        unavailable::not_up(status, &self.upstream.to_string(), state, error_format, id)
    }
}
