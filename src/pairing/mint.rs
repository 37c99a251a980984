//! One-time credentials: from t3's API where it can be had, from t3's command where not.

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
use crate::pairing::admin_session::Bearer;
use crate::pairing::cli_process::CliError;
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::Cli;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::error::Failure;

/// Mints credentials.
#[derive(Debug)]
pub(super) struct Mint {
    mode: MintMode,
    upstream: Arc<Upstream>,
    cli: Arc<Cli>,
    bearer: Arc<Bearer>,
    metrics: Arc<Metrics>,
    api_limit: Duration,
}

/// Why there is no credential.
#[derive(Debug, Error)]
pub enum MintError {
    /// t3 gave no answer.
    #[error("pairing-token: {0}")]
    Upstream(#[from] Failure),
    /// The API is to be used, but the dispatcher has no session to use it with.
    #[error("no session of its own to ask t3's API with")]
    NoBearer,
    /// The API refused.
    #[error("pairing-token: t3 answered {0}")]
    Status(StatusCode),
    /// The API's answer has no credential in it.
    #[error("pairing-token: no credential in t3's answer")]
    Unusable,
    /// t3's command gave none.
    #[error(transparent)]
    Cli(#[from] CliError),
}

impl Mint {
    /// Mints as `config` says.
    pub(super) fn new(
        config: PairingConfig,
        timing: Timing,
        upstream: Arc<Upstream>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let cli = Arc::new(Cli::new(config.cli, timing.cli_run, Arc::clone(&metrics)));
        let bearer = Arc::new(Bearer::new(Arc::clone(&cli)));
        Self {
            mode: config.mint,
            upstream,
            cli,
            bearer,
            metrics,
            api_limit: timing.api_response,
        }
    }

    /// Gets what the API needs, so that nobody has to wait for it.
    pub(super) async fn warm_up(&self) {
        if self.mode != MintMode::Cli {
            let _ = self.bearer.token().await;
        }
    }

    /// Does t3's command run right now?
    pub(super) fn runs_command(&self) -> bool {
        self.cli.is_running()
    }

    /// What is to be done behind a pairing: the session's renewal, if it is due.
    pub(super) fn upkeep(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let bearer = &self.bearer;
        bearer.is_due().then(|| Arc::clone(bearer).renew())
    }

    /// Mints one credential, to be called `label` in t3's client list.
    pub(super) async fn mint(
        &self,
        label: &str,
        deadline: Instant,
    ) -> Result<(Secret, Way), MintError> {
        if self.mode != MintMode::Cli {
            match self.by_api(label).await {
                Ok(credential) => return Ok((credential, Way::Api)),
                // Without an answer now, the exchange would get none either.
                Err(error @ MintError::Upstream(_)) => return Err(error),
                Err(error) if self.mode == MintMode::Api => return Err(error),
                Err(error) => debug!(%error, "t3's API mints nothing, its command is asked"),
            }
        }
        let credential = self.cli.create_pairing(label, deadline).await?;
        Ok((credential, Way::Cli))
    }

    /// Asks the API; once more with a new session where t3 refused the one there was.
    async fn by_api(&self, label: &str) -> Result<Secret, MintError> {
        let token = self.bearer.token().await.ok_or(MintError::NoBearer)?;
        let outcome = mint_by_api(&self.upstream, label, &token, self.api_limit).await;
        if !matches!(outcome, Err(MintError::Status(StatusCode::UNAUTHORIZED))) {
            return outcome;
        }
        self.bearer.refused(&token);
        self.metrics.admin_session_refused();
        let token = self.bearer.token().await.ok_or(MintError::NoBearer)?;
        mint_by_api(&self.upstream, label, &token, self.api_limit).await
    }
}

/// Mints one credential by t3's API within `limit`, with the administrative session of `token`.
pub(super) async fn mint_by_api(
    upstream: &Upstream,
    label: &str,
    token: &Secret,
    limit: Duration,
) -> Result<Secret, MintError> {
    let value = administer(
        upstream,
        "/api/auth/pairing-token",
        json!({ "label": label }),
        token,
        limit,
    );
    let credential = value.await?["credential"].as_str().and_then(Secret::new);
    credential.ok_or(MintError::Unusable)
}

/// Asks t3's API for what takes the administrative session of `token` (contract §4); it may take
/// `limit`.
pub(super) async fn administer(
    upstream: &Upstream,
    path: &'static str,
    body: Value,
    token: &Secret,
    limit: Duration,
) -> Result<Value, MintError> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    let mut bearer = bearer.map_err(|_| MintError::NoBearer)?;
    bearer.set_sensitive(true);
    let call = ApiCall::post(path, body).with(AUTHORIZATION, Some(bearer));
    let answer = upstream.call(call, limit).await?;
    if answer.status() != StatusCode::OK {
        return Err(MintError::Status(answer.status()));
    }
    // A t3 without this route might answer with its page.
    serde_json::from_slice(answer.body()).map_err(|_| MintError::Unusable)
}
