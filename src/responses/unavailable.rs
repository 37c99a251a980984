//! The response while t3 gives none: a page that waits for it, or JSON.

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::http_rules::request_id::RequestId;
use crate::responses::{ClientResponse, ErrorFormat, error};
use crate::upstream::health_state::HealthState;

/// Waits for t3 and loads again once it is up; without a script it reloads every 5 s.
const PAGE: &str = include_str!("unavailable.html");

/// What is known of a t3 that is not up.
#[derive(Debug, Clone, Copy)]
pub enum NotUp {
    /// Its state.
    Is(HealthState),
    /// It was asleep, and is being started.
    Woken,
}

/// Why there is no response of t3's, as people and scripts are told.
struct Problem {
    /// The page's heading.
    title: &'static str,
    /// What happens, and what will, for a person.
    explanation: &'static str,
    /// What t3's address did, for whoever runs it.
    detail: &'static str,
}

const DOWN: Problem = Problem {
    title: "T3 Code is not running",
    explanation: "It may be restarting. The cockpit opens here as soon as it is back.",
    detail: "did not answer: nobody listens there",
};

const ASLEEP: Problem = Problem {
    title: "T3 Code is asleep",
    explanation: "It is started when the cockpit is opened.",
    detail: "is asleep: the cockpit's page starts it",
};

const WOKEN: Problem = Problem {
    title: "Your cockpit is starting",
    explanation: "It was asleep. It opens here as soon as it is ready.",
    detail: "did not answer yet: your cockpit is starting",
};

const ITSELF: Problem = Problem {
    title: "T3 Code cannot be reached",
    explanation: "It is set up wrong here: whoever runs it has to look at the log.",
    detail: "is this dispatcher itself",
};

const STARTING: Problem = Problem {
    title: "T3 Code is starting",
    explanation: "That usually takes a few seconds. The cockpit opens here as soon as it is ready.",
    detail: "did not answer yet: it is starting",
};

const TIMED_OUT: Problem = Problem {
    title: "T3 Code is busy",
    explanation: "It runs but took too long to answer. The page is loaded again in a moment.",
    detail: "did not answer in time",
};

const BROKEN: Problem = Problem {
    title: "T3 Code did not answer",
    explanation: "The connection to it broke. The page is loaded again in a moment.",
    detail: "did not answer",
};

/// t3 at `address` did not respond to a request: 504 or another `status`.
pub fn no_response(
    status: StatusCode,
    address: &str,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let problem = match status {
        StatusCode::GATEWAY_TIMEOUT => TIMED_OUT,
        _ => BROKEN,
    };
    unavailable(status, address, &problem, error_format, id)
}

/// t3 is not up, and the request was not sent. `Retry-After` is one second.
pub fn not_up(
    status: StatusCode,
    address: &str,
    state: NotUp,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let problem = match state {
        NotUp::Woken => WOKEN,
        NotUp::Is(HealthState::Down) => DOWN,
        NotUp::Is(HealthState::Asleep) => ASLEEP,
        NotUp::Is(HealthState::Itself) => ITSELF,
        NotUp::Is(_) => STARTING,
    };
    let mut response = unavailable(status, address, &problem, error_format, id);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn unavailable(
    status: StatusCode,
    address: &str,
    problem: &Problem,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let detail = problem.detail;
    let page = PAGE
        .replace("{title}", problem.title)
        .replace("{explanation}", problem.explanation)
        .replace("{problem}", detail)
        .replace("{request_id}", &id.to_string())
        .replace("{address}", address);
    let json = serde_json::json!({
        "error": "upstream_unavailable",
        "message": format!("t3 at {address} {detail}"),
        "request_id": id.to_string(),
    });
    error(status, page, json, error_format, id)
}
