//! From a page load without a session to one with it: one credential minted and exchanged.

mod cli;
mod credential;
mod exchange;

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use self::cli::CliError;
use self::exchange::ExchangeError;
use crate::config::CliConfig;
use crate::upstream::Upstream;

/// Makes sessions on t3.
#[derive(Debug)]
pub struct Pairing {
    cli: CliConfig,
    upstream: Arc<Upstream>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum PairError {
    /// No credential was minted.
    Mint(CliError),
    /// The credential was not exchanged for a session.
    Exchange(ExchangeError),
}

impl Pairing {
    /// `cli` mints, `upstream` exchanges.
    pub fn new(cli: CliConfig, upstream: Arc<Upstream>) -> Self {
        Self { cli, upstream }
    }

    /// Makes a session for a browser that calls itself `user_agent`; returns t3's `Set-Cookie`
    /// lines as they came, at least one (contract §1, §2).
    pub async fn pair(
        &self,
        user_agent: Option<&HeaderValue>,
    ) -> Result<Vec<HeaderValue>, PairError> {
        let credential = cli::create_pairing(&self.cli)
            .await
            .map_err(PairError::Mint)?;
        exchange::browser_session(&self.upstream, &credential, user_agent)
            .await
            .map_err(PairError::Exchange)
    }
}

impl fmt::Display for PairError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mint(error) => write!(formatter, "t3 auth pairing create: {error}"),
            Self::Exchange(error) => write!(formatter, "exchange: {error}"),
        }
    }
}

impl std::error::Error for PairError {}
