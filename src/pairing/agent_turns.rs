//! What t3's agents do: asked by a read-only session of the dispatcher's own, when somebody wants to know.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::limited;
use crate::pairing::admin_api::bearer;
use crate::pairing::mint::{Mint, MintError, MintOrder};
use crate::pairing::secret::Secret;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::descriptor::Protocol;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;
use crate::upstream::turns::{self, Turns};

/// All that the session may do (contract §4).
const SCOPE: &str = "orchestration:read";

/// How long t3 may take for one response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a mint may take, which may be a run of the t3 CLI.
const MINT_TIMEOUT: Duration = Duration::from_secs(25);

/// The pause after a session was not to be had: each attempt may be a run of the t3 CLI.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How much of a list of threads is read: about 1 KiB for each.
const LONG_LIST_BYTES: usize = 4 * 1024 * 1024;

/// How much of it is read where others read theirs at the same time.
const LIST_BYTES: usize = 256 * 1024;

/// What is done for one t3 at a time, of however many: a mint, and reading a long list.
static ONE: Semaphore = Semaphore::const_new(1);

/// Asks t3 what its agents do, and holds the session for that in memory only.
#[derive(Debug)]
pub struct AgentTurns {
    upstream: Arc<Upstream>,
    readiness: Arc<Readiness>,
    mint: Arc<Mint>,
    /// The name of the session in t3's list of clients: that of the administrative one, so that it is revoked
    /// with that at the next start.
    label: String,
    /// Locked while t3 is asked: who wants to know meanwhile shares the answer.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When t3 was last asked, and what it said.
    asked: Option<Instant>,
    turns: Option<Turns>,
    token: Option<Secret>,
    /// When a session was last not to be had.
    failed: Option<Instant>,
}

/// Why it is not known what t3's agents do.
#[derive(Debug, Error)]
enum Unknown {
    #[error("no session: {0}")]
    Mint(#[from] MintError),
    #[error("no session: t3 answered {0} at /oauth/token")]
    Exchange(StatusCode),
    #[error("no session: the last attempt has just failed")]
    Pause,
    #[error("no session: t3's answer at /oauth/token has no token that may read and no more")]
    Token,
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error("t3 answered {0}")]
    Status(StatusCode),
    #[error("t3's list of threads is not of the form of protocol {0}")]
    Form(Protocol),
    #[error("t3 is not up")]
    Away,
}

impl AgentTurns {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        mint: Arc<Mint>,
        label: String,
    ) -> Self {
        Self {
            upstream,
            readiness,
            mint,
            label,
            known: Mutex::default(),
        }
    }

    /// What t3's agents do, or did up to `max_age` ago; `None` where that is not known. A t3 that is not
    /// surely up is not asked, and one whose answer did not come is not asked again within `max_age`.
    pub async fn ask(&self, max_age: Duration) -> Option<Turns> {
        let mut known = self.known.lock().await;
        if known.asked.is_some_and(|asked| asked.elapsed() < max_age) {
            return known.turns;
        }
        // Who asks may go away before there is an answer.
        known.asked = Some(Instant::now());
        known.turns = None;
        match self.list(&mut known).await {
            Ok(turns) => known.turns = Some(turns),
            Err(cause) => {
                let upstream = &self.upstream;
                limited!(INFO, "what the agents of t3 do is not known"; %cause, %upstream);
            }
        }
        known.turns
    }

    async fn list(&self, known: &mut Known) -> Result<Turns, Unknown> {
        let protocol = self.readiness.protocol().ok_or(Unknown::Away)?;
        if !self.readiness.is_surely_up() {
            return Err(Unknown::Away);
        }
        let is_new = known.token.is_none();
        let mut listed = self.list_once(known, &protocol).await;
        if matches!(listed, Err(Unknown::Status(StatusCode::UNAUTHORIZED))) && !is_new {
            known.token = None;
            listed = self.list_once(known, &protocol).await;
        }
        listed
    }

    async fn list_once(&self, known: &mut Known, protocol: &Protocol) -> Result<Turns, Unknown> {
        let token = match &known.token {
            Some(token) => token,
            None => {
                let token = self.session_unless_paused(&mut known.failed).await?;
                known.token.insert(token)
            }
        };
        let call = ApiCall::get(turns::SHELL)
            .with(AUTHORIZATION, bearer(token).ok())
            .with(turns::PROTOCOL, turns::protocol_field(protocol));
        let short = call.clone().reading_up_to(LIST_BYTES);
        let response = match self.upstream.call(short, RESPONSE_TIMEOUT).await {
            Err(Failure::Unreadable) => {
                // The semaphore is never closed.
                let _turn = ONE.acquire().await;
                let long = call.reading_up_to(LONG_LIST_BYTES);
                self.upstream.call(long, RESPONSE_TIMEOUT).await?
            }
            response => response?,
        };
        if response.status() != StatusCode::OK {
            return Err(Unknown::Status(response.status()));
        }
        let turns = turns::read(response.body(), protocol);
        turns.ok_or_else(|| Unknown::Form(protocol.clone()))
    }

    async fn session_unless_paused(&self, failed: &mut Option<Instant>) -> Result<Secret, Unknown> {
        if failed.is_some_and(|failed| failed.elapsed() < RETRY_AFTER) {
            return Err(Unknown::Pause);
        }
        // Should it be given up half way, that has failed too.
        *failed = Some(Instant::now());
        let token = self.session().await?;
        *failed = None;
        let upstream = &self.upstream;
        limited!(INFO, "read-only session made, to see what the agents of t3 do"; %upstream);
        Ok(token)
    }

    /// Makes a session that may read and no more: a minted credential, exchanged (contract §4).
    async fn session(&self) -> Result<Secret, Unknown> {
        let _turn = ONE.acquire().await;
        let order = MintOrder {
            label: Some(&self.label),
            user: "",
            grants: None,
            deadline: Instant::now() + MINT_TIMEOUT,
        };
        let (credential, _) = self.mint.mint(&order).await?;
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", credential.reveal()),
            (
                "subject_token_type",
                "urn:t3:params:oauth:token-type:environment-bootstrap",
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("scope", SCOPE),
            ("client_label", &self.label),
            ("client_device_type", "bot"),
        ];
        let call = ApiCall::post_form("/oauth/token", &form);
        let response = self.upstream.call(call, RESPONSE_TIMEOUT).await?;
        if response.status() != StatusCode::OK {
            return Err(Unknown::Exchange(response.status()));
        }
        token_in(response.body()).ok_or(Unknown::Token)
    }
}

/// The token in t3's response, if it may do what was asked for and no more.
fn token_in(body: &[u8]) -> Option<Secret> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let is_meant = value["token_type"] == "Bearer" && value["scope"] == SCOPE;
    Secret::new(value["access_token"].as_str().filter(|_| is_meant)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_reads_and_no_more_is_taken() {
        for (body, is_taken) in [
            (
                r#"{"access_token":"t","token_type":"Bearer","scope":"orchestration:read","expires_in":1}"#,
                true,
            ),
            (
                r#"{"access_token":"t","token_type":"Bearer","scope":"orchestration:read access:write"}"#,
                false,
            ),
            (
                r#"{"access_token":"t","token_type":"DPoP","scope":"orchestration:read"}"#,
                false,
            ),
            (r#"{"access_token":"t"}"#, false),
            (
                r#"{"access_token":"","token_type":"Bearer","scope":"orchestration:read"}"#,
                false,
            ),
            ("<!doctype html>", false),
        ] {
            assert_eq!(token_in(body.as_bytes()).is_some(), is_taken, "{body}");
        }
    }
}
