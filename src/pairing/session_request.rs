//! A request that is to get a session, and what its pairing keeps of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::http_rules::request_id::RequestId;
use crate::pairing::exchange::ReplacedSession;
use crate::pairing::keys::BrowserKey;

/// A request that is to get a session.
#[derive(Debug)]
pub struct SessionRequest<'a> {
    /// The browser that gets the session.
    pub browser: &'a Browser,
    /// The request's name in logs.
    pub request_id: &'a RequestId,
    /// The path and query of the page that it asks for.
    pub target: &'a str,
    /// When the request arrived.
    pub arrived: Instant,
    /// It brought a session, which is dead.
    pub had_session: bool,
    /// The value of the session cookie that the new session replaces in its browser: dead, or a living
    /// one that the dispatcher made for somebody else. Never a living one of this person's own.
    pub replaced: Option<&'a [u8]>,
}

/// What a pairing keeps of a [`SessionRequest`], which it may outlive.
pub(super) struct PairingAttempt {
    pub(super) browser: Browser,
    pub(super) key: BrowserKey,
    pub(super) request_id: RequestId,
    pub(super) deadline: Instant,
    pub(super) replaced: Option<ReplacedSession>,
}

impl PairingAttempt {
    /// What the pairing of `request` keeps, whose browser has `key`; a person waits for `patience`.
    pub(super) fn of(request: &SessionRequest<'_>, key: BrowserKey, patience: Duration) -> Self {
        Self {
            browser: request.browser.clone(),
            key,
            request_id: request.request_id.clone(),
            deadline: request.arrived + patience,
            replaced: request.replaced.and_then(ReplacedSession::new),
        }
    }
}
