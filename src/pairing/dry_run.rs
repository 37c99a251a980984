//! The dry run: the steps of a pairing one by one, for the `check` command.

use std::net::Ipv4Addr;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::config::options::CliConfig;
use crate::config::timing::Timing;
use crate::metrics::Metrics;
use crate::pairing::cli_process::CliError;
use crate::pairing::exchange::{CredentialExchange, ExchangeError, Session};
use crate::pairing::mint::{self, MintError};
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::T3Cli;
use crate::upstream::Upstream;

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
    /// A dry run on the t3 of `upstream`, whose CLI `cli` names.
    pub fn new(cli: CliConfig, upstream: Arc<Upstream>, timing: Timing) -> Self {
        Self {
            cli: T3Cli::new(cli, timing.cli_run, Arc::<Metrics>::default()),
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

    /// Mints a credential by t3's API.
    pub async fn mint_by_api(&self, admin: &AdminToken) -> Result<Credential, MintError> {
        let minted =
            mint::mint_by_api(&self.upstream, LABEL, &admin.0, self.timing.api_response).await;
        minted.map(Credential)
    }

    /// Mints a credential by the t3 CLI.
    pub async fn mint_by_cli(&self) -> Result<Credential, CliError> {
        let minted = self.cli.create_pairing(LABEL, self.deadline()).await;
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
            user_agent: None,
            address: Ipv4Addr::LOCALHOST.into(),
        };
        let exchange = &self.exchange;
        let exchanged = exchange.exchange(&self.upstream, &credential.0, &browser, expected);
        let (session, endpoint) = exchanged.await?;
        Ok((session, endpoint.path()))
    }

    /// Revokes a session: by t3's API if there is an administrative session, else by the t3 CLI.
    pub async fn revoke(
        &self,
        session: &Session,
        admin: Option<&AdminToken>,
    ) -> Result<(), CliError> {
        let id = session_id(&session.cookie_value).ok_or(CliError::Unusable)?;
        if let Some(AdminToken(token)) = admin {
            let (path, body) = ("/api/auth/clients/revoke", json!({ "sessionId": id }));
            let response =
                mint::call_admin_api(&self.upstream, path, body, token, self.timing.api_response)
                    .await;
            if response.is_ok_and(|response| response["revoked"] == true) {
                return Ok(());
            }
        }
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

/// The id of a token's session: `sid` of the claims in front of its signature. Only a plain one, as
/// it goes on a command line.
fn session_id(token: &str) -> Option<String> {
    let (claims, _) = token.split_once('.')?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let id = claims["sid"].as_str()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_id = !id.is_empty() && !id.starts_with('-') && id.bytes().all(is_plain);
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_s_id_is_read_from_its_token() {
        let token = |claims: &str| format!("{}.mac", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let id = "3f0c2a4e-0000-4000-8000-000000000000";
        let good = token(&format!(r#"{{"v":1,"sid":"{id}"}}"#));
        assert_eq!(session_id(&good).as_deref(), Some(id));
        for bad in [
            "",
            "no claims",
            &token("{}"),
            &token("not JSON"),
            &token(r#"{"sid":""}"#),
            &token(r#"{"sid":"--base-dir"}"#),
            &token(r#"{"sid":"a b"}"#),
        ] {
            assert_eq!(session_id(bad), None, "{bad}");
        }
    }
}
