//! t3's administrative endpoints, called with the dispatcher's own session (contract §4).

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Notify;

use crate::config::timing::Timing;
use crate::metrics::Metrics;
use crate::pairing::admin_session::AdminSession;
use crate::pairing::client_list::{self, ClientSession};
use crate::pairing::grants::Grants;
use crate::pairing::secret::Secret;
use crate::upstream::Upstream;
use crate::upstream::api_call::{self, ApiCall, SessionCredential};
use crate::upstream::error::Failure;

/// How much of t3's list of clients is read: about 1 KiB for each session of the last 30 days, of which a person has
/// no more than `surplus` leaves.
const CLIENTS_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Calls t3's administrative endpoints; once more with a new admin session if t3 refuses the present
/// one.
#[derive(Debug)]
pub struct AdminApi {
    upstream: Arc<Upstream>,
    session: AdminSession,
    metrics: Arc<Metrics>,
    timing: Timing,
    /// Held while a list of clients is fetched: only one is buffered at a time.
    listing: tokio::sync::Mutex<()>,
    /// A session was revoked.
    revoked: Notify,
}

/// Why a call gave nothing.
#[derive(Debug, Error)]
pub enum AdminApiError {
    /// t3 did not respond.
    #[error(transparent)]
    Upstream(#[from] Failure),
    /// There is no admin session to use the API with.
    #[error("no admin session for t3's API")]
    NoSession,
    /// t3 refused.
    #[error("t3 answered {0}")]
    Status(StatusCode),
    /// The response does not have what was asked for. A t3 without this endpoint may respond with its
    /// page.
    #[error("t3's response is not of the expected form")]
    Unusable,
}

/// A call of one endpoint, and how its response is read.
#[derive(Debug)]
pub(super) struct AdminCall<T> {
    call: ApiCall,
    read: fn(&[u8]) -> Option<T>,
}

impl AdminApi {
    /// Calls the t3 of `upstream` with the token of `session`.
    pub(super) fn new(
        upstream: Arc<Upstream>,
        session: AdminSession,
        metrics: Arc<Metrics>,
        timing: Timing,
    ) -> Self {
        Self {
            upstream,
            session,
            metrics,
            timing,
            listing: tokio::sync::Mutex::default(),
            revoked: Notify::new(),
        }
    }

    /// All living sessions of t3: `GET /api/auth/clients`.
    ///
    /// # Errors
    /// If there is no admin session, or t3 does not respond with a list.
    pub async fn clients(&self) -> Result<Vec<ClientSession>, AdminApiError> {
        let _turn = self.listing.lock().await;
        self.call(&AdminCall::clients()).await
    }

    /// Revokes the session of `id`: `POST /api/auth/clients/revoke`. False if t3 knew no such living
    /// session. t3 refuses to revoke the admin session itself.
    ///
    /// # Errors
    /// If there is no admin session, or t3 does not respond with a yes or a no.
    pub async fn revoke(&self, id: &str) -> Result<bool, AdminApiError> {
        let revoked = self.call(&AdminCall::revoke(id)).await;
        if let Ok(true) = revoked {
            self.revoked.notify_one();
        }
        revoked
    }

    /// Waits until a session is revoked, or was since the last wait.
    pub async fn wait_until_revoked(&self) {
        self.revoked.notified().await;
    }

    /// All living sessions of t3, by a list that is surely whole. An admin session is issued for it only if `may_issue`.
    ///
    /// # Errors
    /// If there is no admin session, or t3 does not respond with a list that has it: it is always on it.
    pub async fn living_sessions(
        &self,
        may_issue: bool,
    ) -> Result<Vec<ClientSession>, AdminApiError> {
        if !may_issue && self.session.present().is_none() {
            return Err(AdminApiError::NoSession);
        }
        let sessions = self.clients().await?;
        match sessions.iter().any(|session| session.current) {
            true => Ok(sessions),
            false => Err(AdminApiError::Unusable),
        }
    }

    /// Mints a credential, whose session the list of clients will name `label`, and which may do what `grants`
    /// say: `POST /api/auth/pairing-token`.
    pub(super) async fn mint(
        &self,
        label: Option<&str>,
        grants: Option<&Grants>,
    ) -> Result<Secret, AdminApiError> {
        self.call(&AdminCall::mint(label, grants)).await
    }

    /// The dispatcher's own session.
    pub(super) fn session(&self) -> &AdminSession {
        &self.session
    }

    /// Is the session of `token` alive? `None` where t3 gives no definite answer.
    pub(super) async fn is_alive(&self, token: &Secret) -> Option<bool> {
        let proof = SessionCredential::authorization(&bearer(token).ok()?)?;
        api_call::is_session_alive(&self.upstream, &proof).await
    }

    /// Notes that t3 has refused the session of `token`.
    pub(super) fn refused(&self, token: &Arc<Secret>) {
        self.session.discard(token);
        self.metrics.admin_session_refused();
    }

    /// How often [`Self::is_alive`] is to be asked.
    pub(super) fn check_interval(&self) -> Duration {
        self.timing.admin_session_check
    }

    async fn call<T>(&self, call: &AdminCall<T>) -> Result<T, AdminApiError> {
        let token = self.token().await?;
        let outcome = call
            .send(&self.upstream, &token, self.timing.api_response)
            .await;
        if !matches!(
            outcome,
            Err(AdminApiError::Status(StatusCode::UNAUTHORIZED))
        ) {
            return outcome;
        }
        self.refused(&token);
        let token = self.token().await?;
        call.send(&self.upstream, &token, self.timing.api_response)
            .await
    }

    async fn token(&self) -> Result<Arc<Secret>, AdminApiError> {
        self.session.token().await.ok_or(AdminApiError::NoSession)
    }
}

impl AdminCall<Secret> {
    /// Mints a credential. Without `grants` it names no scopes: t3's own default is the standard client's,
    /// whatever they are called in its version, and a name that a t3 does not know is a 400 (contract §4).
    pub(super) fn mint(label: Option<&str>, grants: Option<&Grants>) -> Self {
        let scopes = grants.map(|grants| grants.names().collect::<Vec<_>>());
        let fields = [
            label.map(|label| ("label".to_owned(), json!(label))),
            scopes.map(|scopes| ("scopes".to_owned(), json!(scopes))),
        ];
        let body = fields.into_iter().flatten().collect();
        Self {
            call: ApiCall::post("/api/auth/pairing-token", Value::Object(body)),
            read: |body| json(body)?["credential"].as_str().and_then(Secret::new),
        }
    }
}

impl AdminCall<Vec<ClientSession>> {
    fn clients() -> Self {
        Self {
            call: ApiCall::get("/api/auth/clients").reading_up_to(CLIENTS_LIMIT_BYTES),
            read: client_list::read,
        }
    }
}

impl AdminCall<bool> {
    /// Revokes a session.
    pub(super) fn revoke(id: &str) -> Self {
        let body = json!({ "sessionId": id });
        Self {
            call: ApiCall::post("/api/auth/clients/revoke", body),
            read: |body| json(body)?["revoked"].as_bool(),
        }
    }
}

impl<T> AdminCall<T> {
    /// Makes the call once, within `limit`, with the admin session of `token`.
    pub(super) async fn send(
        &self,
        upstream: &Upstream,
        token: &Secret,
        limit: Duration,
    ) -> Result<T, AdminApiError> {
        let call = self.call.clone().with(AUTHORIZATION, Some(bearer(token)?));
        let response = upstream.call(call, limit).await?;
        if response.status() != StatusCode::OK {
            return Err(AdminApiError::Status(response.status()));
        }
        (self.read)(response.body()).ok_or(AdminApiError::Unusable)
    }
}

/// The value of an `Authorization` field with `token`.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, AdminApiError> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    let mut bearer = bearer.map_err(|_| AdminApiError::NoSession)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}
