//! One-time credentials: minted by t3's API or, if that gives none, by the t3 CLI or a command in its place.

use std::sync::Arc;

use thiserror::Error;
use tokio::time::Instant;
use tracing::debug;

use crate::config::options::MintMode;
use crate::metrics::pairing::Way;
use crate::pairing::admin_api::{AdminApi, AdminApiError};
use crate::pairing::cli_error::CliError;
use crate::pairing::grants::Grants;
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;
use crate::upstream::descriptor::Protocol;
use crate::upstream::health::Readiness;

/// Mints credentials by the ways that the configuration allows.
#[derive(Debug)]
pub(super) struct Mint {
    mode: MintMode,
    admin_api: Arc<AdminApi>,
    cli: Arc<T3Cli>,
    readiness: Arc<Readiness>,
}

/// The credential that is wanted.
#[derive(Debug)]
pub(super) struct MintOrder<'a> {
    /// What t3's client list will call its session, unless a command mints it; none leaves that to whoever
    /// exchanges it.
    pub(super) label: Option<&'a str>,
    /// Whom single sign-on calls so: a command is run for that person.
    pub(super) user: &'a str,
    /// All that its session may do; none leaves that to t3, which gives a standard one.
    pub(super) grants: Option<&'a Grants>,
    /// When a run of the t3 CLI or of the command ends.
    pub(super) deadline: Instant,
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
    /// What the dispatcher's own session may do is not known.
    #[error("t3's list of clients: {0}")]
    List(AdminApiError),
    /// This t3 knows no such rights.
    #[error("t3 knows none of the scopes of {0} rights")]
    UnknownScopes(&'static str),
    /// t3's API gave none, and no other way here sets what a session may do.
    #[error("only t3's API sets here what a session may do: {}", reason(.0.as_ref()))]
    NoScopes(Option<AdminApiError>),
}

/// Why t3's API gave none; without an error it is not used.
fn reason(error: Option<&AdminApiError>) -> String {
    error.map_or_else(|| "DISPATCHER_MINT=cli".to_owned(), ToString::to_string)
}

impl Mint {
    /// Mints by `admin_api`, or by `cli`, as `mode` says, for the t3 that `readiness` knows.
    pub(super) fn new(
        mode: MintMode,
        admin_api: Arc<AdminApi>,
        cli: Arc<T3Cli>,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            mode,
            admin_api,
            cli,
            readiness,
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

    /// Mints one credential as `order` says. One whose session is to have grants of its own is minted only by
    /// a way that sets them: neither by a command nor by the CLI of protocol 1 (contract §1).
    pub(super) async fn mint(&self, order: &MintOrder<'_>) -> Result<(Secret, Way), MintError> {
        let mut refused = None;
        if self.uses_api() {
            match self.admin_api.mint(order.label, order.grants).await {
                Ok(credential) => return Ok((credential, Way::Api)),
                // A t3 that does not respond would not respond to the exchange either.
                Err(error @ AdminApiError::Upstream(_)) => return Err(error.into()),
                Err(error) if self.mode == MintMode::Api => return Err(error.into()),
                Err(error) => {
                    debug!(%error, "t3's API mints no credential, another way is tried");
                    refused = Some(error);
                }
            }
        }
        let is_command = self.cli.command_program().is_some();
        if order.grants.is_some() && (is_command || !self.cli_sets_scopes()) {
            return Err(MintError::NoScopes(refused));
        }
        if is_command {
            let minted = self.cli.run_mint_command(order.user, order.deadline).await;
            return Ok((minted.map_err(MintError::Command)?, Way::Command));
        }
        let credential = self.cli.create_pairing(order).await;
        Ok((credential.map_err(MintError::Cli)?, Way::Cli))
    }

    /// Is it the CLI of a t3 that has `--scope`? One that does not know it fails.
    fn cli_sets_scopes(&self) -> bool {
        self.readiness.protocol() == Some(Protocol::Two)
    }
}
