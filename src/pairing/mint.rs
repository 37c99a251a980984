//! One-time credentials: minted by t3's API or, if that gives none, by the t3 CLI.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;
use tracing::debug;

use crate::config::options::{MintMode, PairingConfig};
use crate::config::timing::Timing;
use crate::metrics::Metrics;
use crate::metrics::pairing::Way;
use crate::pairing::admin_session::AdminSession;
use crate::pairing::cli_process::CliError;
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::error::Failure;

/// Mints credentials by the ways that the configuration allows.
#[derive(Debug)]
pub(super) struct Mint {
    mode: MintMode,
    upstream: Arc<Upstream>,
    cli: Arc<T3Cli>,
    admin_session: Arc<AdminSession>,
    metrics: Arc<Metrics>,
    api_limit: Duration,
}

/// Why there is no credential.
#[derive(Debug, Error)]
pub enum MintError {
    /// t3 did not respond.
    #[error("pairing-token: {0}")]
    Upstream(#[from] Failure),
    /// There is no admin session to use the API with.
    #[error("no admin session for t3's API")]
    NoAdminSession,
    /// The API refused.
    #[error("pairing-token: t3 answered {0}")]
    Status(StatusCode),
    /// The API's response has no credential.
    #[error("pairing-token: no credential in t3's response")]
    Unusable,
    /// The t3 CLI gave none.
    #[error(transparent)]
    Cli(#[from] CliError),
}

impl Mint {
    /// No admin session yet; [`Self::warm_up`] or the first mint issues it.
    pub(super) fn new(
        config: PairingConfig,
        timing: Timing,
        upstream: Arc<Upstream>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let cli = Arc::new(T3Cli::new(config.cli, timing.cli_run, Arc::clone(&metrics)));
        let admin_session = Arc::new(AdminSession::new(Arc::clone(&cli)));
        Self {
            mode: config.mint,
            upstream,
            cli,
            admin_session,
            metrics,
            api_limit: timing.api_response,
        }
    }

    /// Issues the admin session, if the API is used at all.
    pub(super) async fn warm_up(&self) {
        if self.mode != MintMode::Cli {
            let _ = self.admin_session.token().await;
        }
    }

    /// Does the t3 CLI run right now?
    pub(super) fn runs_cli(&self) -> bool {
        self.cli.is_running()
    }

    /// The renewal of the admin session, if it is due.
    pub(super) fn renewal_if_due(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let admin_session = &self.admin_session;
        admin_session
            .is_due()
            .then(|| Arc::clone(admin_session).renew())
    }

    /// Mints one credential, whose session t3's client list will name `label`. A run of the t3 CLI
    /// ends by `deadline`.
    pub(super) async fn mint(
        &self,
        label: &str,
        deadline: Instant,
    ) -> Result<(Secret, Way), MintError> {
        if self.mode != MintMode::Cli {
            match self.by_api(label).await {
                Ok(credential) => return Ok((credential, Way::Api)),
                // A t3 that does not respond would not respond to the exchange either.
                Err(error @ MintError::Upstream(_)) => return Err(error),
                Err(error) if self.mode == MintMode::Api => return Err(error),
                Err(error) => debug!(%error, "t3's API mints no credential, running the t3 CLI"),
            }
        }
        let credential = self.cli.create_pairing(label, deadline).await?;
        Ok((credential, Way::Cli))
    }

    /// Mints by the API; once more with a new admin session if t3 refuses the present one.
    async fn by_api(&self, label: &str) -> Result<Secret, MintError> {
        let token = self
            .admin_session
            .token()
            .await
            .ok_or(MintError::NoAdminSession)?;
        let outcome = mint_by_api(&self.upstream, label, &token, self.api_limit).await;
        if !matches!(outcome, Err(MintError::Status(StatusCode::UNAUTHORIZED))) {
            return outcome;
        }
        self.admin_session.discard(&token);
        self.metrics.admin_session_refused();
        let token = self
            .admin_session
            .token()
            .await
            .ok_or(MintError::NoAdminSession)?;
        mint_by_api(&self.upstream, label, &token, self.api_limit).await
    }
}

/// Mints one credential by t3's API within `limit`, with the admin session of `token`.
pub(super) async fn mint_by_api(
    upstream: &Upstream,
    label: &str,
    token: &Secret,
    limit: Duration,
) -> Result<Secret, MintError> {
    let (path, body) = ("/api/auth/pairing-token", json!({ "label": label }));
    let value = call_admin_api(upstream, path, body, token, limit).await?;
    let credential = value["credential"].as_str().and_then(Secret::new);
    credential.ok_or(MintError::Unusable)
}

/// Posts `body` to an endpoint of t3's API that needs an admin session, and returns the JSON of the
/// response (contract §4).
pub(super) async fn call_admin_api(
    upstream: &Upstream,
    path: &'static str,
    body: Value,
    token: &Secret,
    limit: Duration,
) -> Result<Value, MintError> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    let mut bearer = bearer.map_err(|_| MintError::NoAdminSession)?;
    bearer.set_sensitive(true);
    let call = ApiCall::post(path, body).with(AUTHORIZATION, Some(bearer));
    let response = upstream.call(call, limit).await?;
    if response.status() != StatusCode::OK {
        return Err(MintError::Status(response.status()));
    }
    // A t3 without this endpoint may respond with its page.
    serde_json::from_slice(response.body()).map_err(|_| MintError::Unusable)
}
