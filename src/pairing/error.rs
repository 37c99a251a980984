//! Why a browser has no session.

use thiserror::Error;

use crate::metrics::pairing::PairingFailure;
use crate::pairing::cli_process::CliError;
use crate::pairing::exchange::ExchangeError;
use crate::pairing::mint::MintError;
use crate::upstream::error::Failure;

/// Why there is no session.
#[derive(Debug, Error)]
pub(super) enum PairError {
    /// No credential was minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The credential was not exchanged for a session.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It took longer than anybody waits.
    #[error("no session in the time that anybody waits")]
    Late,
}

impl PairError {
    /// Is it t3 that is gone, rather than pairing that fails?
    pub(super) fn is_upstream_gone(&self) -> bool {
        let failure = match self {
            Self::Mint(MintError::Upstream(failure)) => failure,
            Self::Exchange(ExchangeError::Upstream(failure)) => failure,
            _ => return false,
        };
        matches!(failure, Failure::Unreachable(_) | Failure::ConnectTimeout)
    }

    /// What it is counted as.
    pub(super) fn cause(&self) -> PairingFailure {
        match self {
            Self::Late => PairingFailure::Late,
            Self::Mint(MintError::Upstream(_)) => PairingFailure::NoAnswer,
            Self::Mint(MintError::NoBearer) => PairingFailure::NoSession,
            Self::Mint(MintError::Status(_)) => PairingFailure::ApiRefused,
            Self::Mint(MintError::Unusable) => PairingFailure::ApiUnusable,
            Self::Mint(MintError::Cli(error)) => match error {
                CliError::Busy => PairingFailure::CliBusy,
                CliError::Spawn(_) => PairingFailure::CliMissing,
                CliError::Timeout => PairingFailure::CliTimeout,
                CliError::Failed(..) => PairingFailure::CliFailed,
                CliError::OutputTooLong | CliError::Output(_) | CliError::Unusable => {
                    PairingFailure::CliUnusable
                }
            },
            Self::Exchange(ExchangeError::Upstream(_)) => PairingFailure::NoAnswer,
            Self::Exchange(ExchangeError::Status(_)) => PairingFailure::ExchangeRefused,
            Self::Exchange(ExchangeError::NoCookie) => PairingFailure::NoCookie,
        }
    }
}
