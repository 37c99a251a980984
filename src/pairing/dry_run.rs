//! The dry run: the steps of a pairing one by one, for the `check` command.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::config::options::PairingConfig;
use crate::config::timing::Timing;
use crate::metrics::Metrics;
use crate::pairing::admin_api::{AdminApiError, AdminCall};
use crate::pairing::cli_error::CliError;
use crate::pairing::exchange::{CredentialExchange, ExchangeError, Session};
use crate::pairing::mint::MintOrder;
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;
use crate::pairing::token_claims::session_id;
use crate::pairing::token_file::{self, TokenFileError};
use crate::process::large_programs::LargePrograms;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;

/// The name of its sessions in t3's client list.
const LABEL: &str = "t3-dispatcher check";

/// Makes the steps of a pairing with the code that pairs.
#[derive(Debug)]
pub struct DryRun {
    cli: T3Cli,
    upstream: Arc<Upstream>,
    exchange: CredentialExchange,
    timing: Timing,
}

/// The token of an administrative session.
#[derive(Debug)]
pub struct AdminToken(Secret);

/// A one-time credential.
#[derive(Debug)]
pub struct Credential(Secret);

impl DryRun {
    /// A dry run on the t3 of `upstream`, whose sessions are made as `pairing` says.
    pub fn new(pairing: &PairingConfig, upstream: Arc<Upstream>, timing: Timing) -> Self {
        Self {
            cli: T3Cli::new(
                pairing,
                upstream.port(),
                timing.cli_run,
                Arc::<Metrics>::default(),
                LargePrograms::default(),
            ),
            upstream,
            exchange: CredentialExchange::default(),
            timing,
        }
    }

    /// The version of the t3 CLI.
    pub async fn version(&self) -> Result<String, CliError> {
        self.cli.version().await
    }

    /// Issues an administrative session by the t3 CLI.
    pub async fn issue_admin_session(&self) -> Result<AdminToken, CliError> {
        let issued = self.cli.issue_session(LABEL, self.deadline()).await;
        issued.map(AdminToken)
    }

    /// Reads the token of an administrative session from the file at `path`.
    pub fn read_admin_session(&self, path: &Path) -> Result<AdminToken, TokenFileError> {
        token_file::read(path).map(AdminToken)
    }

    /// Mints a credential by t3's API.
    pub async fn mint_by_api(&self, admin: &AdminToken) -> Result<Credential, AdminApiError> {
        let (mint, limit) = (AdminCall::mint(Some(LABEL), None), self.timing.api_response);
        let minted = mint.send(&self.upstream, &admin.0, limit).await;
        minted.map(Credential)
    }

    /// Mints a credential by the t3 CLI.
    pub async fn mint_by_cli(&self) -> Result<Credential, CliError> {
        let order = MintOrder {
            label: Some(LABEL),
            user: "",
            grants: None,
            deadline: self.deadline(),
        };
        self.cli.create_pairing(&order).await.map(Credential)
    }

    /// Mints a credential by the command in the t3 CLI's place, for the person called `user`.
    pub async fn mint_by_command(&self, user: &str) -> Result<Credential, CliError> {
        let minted = self.cli.run_mint_command(user, self.deadline()).await;
        minted.map(Credential)
    }

    /// Exchanges a credential for a session whose cookie should have the name `expected`. Also
    /// returns the path of the endpoint.
    pub async fn exchange(
        &self,
        credential: &Credential,
        expected: &str,
    ) -> Result<(Session, &'static str), ExchangeError> {
        let browser = Browser {
            identity: Some(LABEL.into()),
            rights: Default::default(),
            user_agent: None,
            address: Ipv4Addr::LOCALHOST.into(),
        };
        let exchange = &self.exchange;
        let exchanged = exchange.exchange(&self.upstream, &credential.0, &browser, expected, None);
        let (session, endpoint) = exchanged.await?;
        Ok((session, endpoint.path()))
    }

    /// The call by which an app exchanges its code for a token (RFC 8693 §2.1, contract §4).
    pub fn token_exchange(&self, code: &Credential) -> ApiCall {
        let fields = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", code.0.reveal()),
            (
                "subject_token_type",
                "urn:t3:params:oauth:token-type:environment-bootstrap",
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("client_label", LABEL),
            ("client_device_type", "bot"),
        ];
        ApiCall::post_form("/oauth/token", &fields)
    }

    /// Revokes the session of `token` by t3's API.
    pub async fn revoke_by_api(
        &self,
        token: &str,
        admin: &AdminToken,
    ) -> Result<(), AdminApiError> {
        let id = session_id(token).ok_or(AdminApiError::Unusable)?;
        let (revoke, limit) = (AdminCall::revoke(&id), self.timing.api_response);
        match revoke.send(&self.upstream, &admin.0, limit).await? {
            true => Ok(()),
            false => Err(AdminApiError::Unusable),
        }
    }

    /// Revokes the session of `token` by the t3 CLI.
    pub async fn revoke_by_cli(&self, token: &str) -> Result<(), CliError> {
        let id = session_id(token).ok_or(CliError::Unusable)?;
        self.cli.revoke_session(&id, self.deadline()).await
    }

    /// Revokes an administrative session by the t3 CLI: t3's API lets none revoke itself (contract
    /// §4).
    pub async fn revoke_admin_session(&self, session: &AdminToken) -> Result<(), CliError> {
        let id = session_id(session.0.reveal()).ok_or(CliError::Unusable)?;
        self.cli.revoke_session(&id, self.deadline()).await
    }

    /// When a run of the t3 CLI that begins now must have ended.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timing.pairing_patience
    }
}
