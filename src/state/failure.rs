//! Whether t3 can be asked, the report of a request to it that failed, and the response to its client.

use tokio::time::Instant;
use tracing::debug;

use crate::http_rules::header_map;
use crate::http_rules::request_id::RequestId;
use crate::limited;
use crate::metrics::requests::NoAnswer;
use crate::responses::unavailable::{self, NotUp};
use crate::responses::{self, ClientResponse, ErrorFormat};
use crate::state::Services;
use crate::state::client::OVER_MEMORY;
use crate::state::instance::Instance;
use crate::upstream::error::Failure;
use crate::upstream::health_state::Doubt;
use crate::upstream::pool::Sign;

impl Instance {
    /// Doubts a t3 of which nothing is open `now`: one that was started again unseen accepts connections
    /// before it responds (contract §7), and what is sent on them is lost. True if it is surely there.
    pub fn look(&self, now: Instant) -> bool {
        match self.upstream.sign(now) {
            Sign::Open => {}
            Sign::Closed => self.readiness.doubt(Doubt::Closed),
            Sign::None if self.tunnels.is_any_open() => {}
            Sign::None => self.readiness.doubt(Doubt::Unseen),
        }
        self.readiness.is_surely_up()
    }

    /// A tunnel was ended by t3's side: t3 may be gone.
    pub fn tunnel_lost(&self) {
        self.readiness.doubt(Doubt::Lost);
    }

    /// Reports a failure; returns the response for it.
    pub fn failed(
        &self,
        failure: &Failure,
        error_format: ErrorFormat,
        id: &RequestId,
    ) -> ClientResponse {
        self.note(failure, id);
        self.no_response(failure, error_format, id)
    }

    /// The response for a failure that is reported.
    pub fn no_response(
        &self,
        failure: &Failure,
        error_format: ErrorFormat,
        id: &RequestId,
    ) -> ClientResponse {
        let (status, upstream) = (failure.status(), self.upstream.to_string());
        match failure {
            // A client that cut its own body short reads no more; t3 is not to blame.
            Failure::RequestBody => responses::refused(status, "incomplete request body", id),
            Failure::OverMemory => {
                let mut response = responses::refused(status, OVER_MEMORY.why, id);
                // Its client makes room: that is no time to keep its connection.
                header_map::close(response.headers_mut());
                response
            }
            Failure::NoDescriptors(_) => responses::refused(status, "no descriptors left here", id),
            _ => unavailable::no_response(status, &upstream, error_format, id),
        }
    }

    /// Reports a failure: in the log, the metrics, and as a doubt about t3.
    pub fn note(&self, failure: &Failure, id: &RequestId) {
        let Some(cause) = failure.cause() else {
            debug!(request_id = %id, %failure, "request cut short");
            return;
        };
        self.shared.metrics.no_answer(cause);
        if !failure.is_of_t3() {
            limited!(WARN, "a request was refused"; request_id = %id, %failure);
            return;
        }
        self.readiness.doubt(failure.doubt());
        let upstream = &self.upstream;
        limited!(WARN, "no response from t3"; request_id = %id, %failure, %upstream);
    }

    /// The response while t3 is not up.
    pub fn not_up(&self, error_format: ErrorFormat, id: &RequestId) -> ClientResponse {
        let status = match error_format {
            ErrorFormat::Page => self.shared.access.waiting_status(),
            ErrorFormat::Json => http::StatusCode::SERVICE_UNAVAILABLE,
        };
        let state = match &self.power {
            Some(power) if power.is_starting() => NotUp::Woken,
            _ => NotUp::Is(self.readiness.status().state),
        };
        unavailable::not_up(status, &self.upstream.to_string(), state, error_format, id)
    }
}

impl Services {
    /// A connection was ended, as no memory was left for its client.
    pub fn over_memory(&self) {
        self.metrics.no_answer(NoAnswer::Memory);
        limited!(WARN, "a client's connection is ended"; cause = %Failure::OverMemory);
    }
}
