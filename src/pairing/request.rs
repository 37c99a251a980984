//! Who asks for a session, why, and what is said to whoever gets none for it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::access::browser::Browser;
use crate::http_rules::request_id::RequestId;
use crate::pairing::loop_guard::GuardRefusal;

/// How long a person waits for a pairing at most: the proxy in front gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// A request for a session.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Who is to have it.
    pub browser: &'a Browser,
    /// What the request is called in every log.
    pub request_id: &'a RequestId,
    /// The page, or what else, that was asked for.
    pub target: &'a str,
    /// When the request came.
    pub arrived: Instant,
    /// Did it bring a session, which turned out to be dead?
    pub had_session: bool,
}

/// What of an [`Ask`] a pairing needs that may outlive it.
pub(super) struct Wish {
    pub(super) browser: Browser,
    pub(super) request_id: RequestId,
    pub(super) deadline: Instant,
}

impl Wish {
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        Self {
            browser: ask.browser.clone(),
            request_id: ask.request_id.clone(),
            deadline: ask.arrived + PATIENCE,
        }
    }
}

/// Says why a browser that was paired twice is paired no more.
pub(super) fn tell(refusal: GuardRefusal, ask: &Ask<'_>) {
    let (user, request_id) = (ask.browser.user(), ask.request_id);
    match (refusal.is_news, ask.had_session) {
        (true, false) => warn!(
            user,
            %request_id,
            "paired twice, and the browser does not send t3's cookie back: the page goes to t3 \
             as it is"
        ),
        (true, true) => warn!(
            user,
            %request_id,
            "paired twice, and t3 does not accept the cookie that it set: the page goes to t3 as \
             it is"
        ),
        (false, _) => debug!(user, %request_id, cause = refusal.cause.text(), "not paired"),
    }
}
