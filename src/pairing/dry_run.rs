//! The steps of a pairing one by one, for whoever wants to see where it fails.

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
use crate::pairing::exchange::{Exchange, ExchangeError, Session};
use crate::pairing::mint::{self, MintError};
use crate::pairing::secret::Secret;
use crate::pairing::t3_cli::Cli;
use crate::upstream::Upstream;

/// What t3's list of clients calls the sessions of a rehearsal.
const LABEL: &str = "t3-dispatcher check";

/// Takes the steps of a pairing, by the code that pairs.
#[derive(Debug)]
pub struct Rehearsal {
    cli: Cli,
    upstream: Arc<Upstream>,
    exchange: Exchange,
    timing: Timing,
}

/// An administrative session.
#[derive(Debug)]
pub struct Administration(Secret);

/// A one-time credential.
#[derive(Debug)]
pub struct Credential(Secret);

impl Rehearsal {
    /// On the t3 of `upstream`, whose command `cli` names.
    pub fn new(cli: CliConfig, upstream: Arc<Upstream>, timing: Timing) -> Self {
        Self {
            cli: Cli::new(cli, timing.cli_run, Arc::<Metrics>::default()),
            upstream,
            exchange: Exchange::default(),
            timing,
        }
    }

    /// What t3's command calls its version.
    pub async fn version(&self) -> Result<String, CliError> {
        self.cli.version().await
    }

    /// Has t3's command make an administrative session.
    pub async fn issue(&self) -> Result<Administration, CliError> {
        let issued = self.cli.issue_session(LABEL, self.deadline()).await;
        issued.map(Administration)
    }

    /// Has t3's API make a credential.
    pub async fn mint_by_api(&self, with: &Administration) -> Result<Credential, MintError> {
        let minted =
            mint::mint_by_api(&self.upstream, LABEL, &with.0, self.timing.api_response).await;
        minted.map(Credential)
    }

    /// Has t3's command make a credential.
    pub async fn mint_by_cli(&self) -> Result<Credential, CliError> {
        let minted = self.cli.create_pairing(LABEL, self.deadline()).await;
        minted.map(Credential)
    }

    /// Exchanges a credential for a session whose cookie should be called `expected`; tells by
    /// which endpoint.
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
        let exchanged = exchange.session(&self.upstream, &credential.0, &browser, expected);
        let (session, endpoint) = exchanged.await?;
        Ok((session, endpoint.path()))
    }

    /// Ends a session: by t3's API where there is an administrative session to do it with, else by
    /// its command.
    pub async fn revoke(
        &self,
        session: &Session,
        with: Option<&Administration>,
    ) -> Result<(), CliError> {
        let id = session_id(&session.cookie_value).ok_or(CliError::Unusable)?;
        if let Some(Administration(token)) = with {
            let path = "/api/auth/clients/revoke";
            let body = json!({ "sessionId": id });
            let limit = self.timing.api_response;
            let asked = mint::administer(&self.upstream, path, body, token, limit);
            if asked.await.is_ok_and(|said| said["revoked"] == true) {
                return Ok(());
            }
        }
        self.cli.revoke_session(&id, self.deadline()).await
    }

    /// Ends an administrative session: t3 lets none end itself (contract §4).
    pub async fn revoke_administration(&self, session: &Administration) -> Result<(), CliError> {
        let id = session_id(session.0.reveal()).ok_or(CliError::Unusable)?;
        self.cli.revoke_session(&id, self.deadline()).await
    }

    /// Until when a run of t3's command that begins now may wait and take.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timing.pairing_patience
    }
}

/// The session that a token speaks for: `sid` of the claims in front of its signature. It goes on
/// a command line.
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
    fn a_token_tells_its_session() {
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
