//! One-time credentials: minted by t3's API or, if that gives none, by the t3 CLI or a command in its place.

use std::sync::Arc;

use thiserror::Error;
use tokio::time::Instant;
use tracing::debug;

use crate::config::options::MintMode;
use crate::metrics::pairing::Way;
use crate::pairing::admin_api::{AdminApi, AdminApiError};
use crate::pairing::cli_error::CliError;
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;

/// Mints credentials by the ways that the configuration allows.
#[derive(Debug)]
pub(super) struct Mint {
    mode: MintMode,
    admin_api: Arc<AdminApi>,
    cli: Arc<T3Cli>,
}

/// Why there is no credential.
#[derive(Debug, Error)]
pub enum MintError {
    /// The API gave none.
    #[error("pairing-token: {0}")]
    Api(#[from] AdminApiError),
    /// The t3 CLI gave none.
    #[error(transparent)]
    Cli(CliError),
    /// The command gave none.
    #[error("{}", .0.of("the mint command"))]
    Command(CliError),
}

impl Mint {
    /// Mints by `admin_api`, or by `cli`, as `mode` says.
    pub(super) fn new(mode: MintMode, admin_api: Arc<AdminApi>, cli: Arc<T3Cli>) -> Self {
        Self {
            mode,
            admin_api,
            cli,
        }
    }

    /// Is t3's API used at all?
    pub(super) fn uses_api(&self) -> bool {
        self.mode != MintMode::Cli
    }

    /// The t3 CLI.
    pub(super) fn cli(&self) -> &T3Cli {
        &self.cli
    }

    /// Mints one credential, whose session t3's client list will name `label`, unless a command mints it:
    /// that is run for the person whom single sign-on calls `user`. A run ends by `deadline`.
    pub(super) async fn mint(
        &self,
        label: &str,
        user: &str,
        deadline: Instant,
    ) -> Result<(Secret, Way), MintError> {
        if self.uses_api() {
            match self.admin_api.mint(label).await {
                Ok(credential) => return Ok((credential, Way::Api)),
                // A t3 that does not respond would not respond to the exchange either.
                Err(error @ AdminApiError::Upstream(_)) => return Err(error.into()),
                Err(error) if self.mode == MintMode::Api => return Err(error.into()),
                Err(error) => debug!(%error, "t3's API mints no credential, another way is tried"),
            }
        }
        if self.cli.command_program().is_some() {
            let minted = self.cli.run_mint_command(user, deadline).await;
            return Ok((minted.map_err(MintError::Command)?, Way::Command));
        }
        let credential = self.cli.create_pairing(label, deadline).await;
        Ok((credential.map_err(MintError::Cli)?, Way::Cli))
    }
}
