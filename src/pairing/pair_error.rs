//! Why a pairing failed, and the cause that it is counted under.

use thiserror::Error;

use crate::metrics::pairing::PairingFailure;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::cli_error::CliError;
use crate::pairing::exchange::ExchangeError;
use crate::pairing::mint::MintError;
use crate::upstream::error::Failure;

/// Why a pairing failed.
#[derive(Debug, Error)]
pub(super) enum PairError {
    /// No credential was minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The credential was not exchanged for a session.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The session may do something else than was asked for.
    #[error("t3 gave the session other scopes than it was asked for")]
    OtherGrants,
    /// It took longer than a person waits.
    #[error("no session in time")]
    Late,
}

impl PairError {
    /// Why t3 gave no response, if that is why.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Mint(
                MintError::Api(AdminApiError::Upstream(failure))
                | MintError::List(AdminApiError::Upstream(failure)),
            ) => Some(failure),
            Self::Exchange(ExchangeError::Upstream(failure)) => Some(failure),
            _ => None,
        }
    }

    /// The cause that it is counted under.
    pub(super) fn cause(&self) -> PairingFailure {
        match self {
            Self::Late => PairingFailure::Late,
            Self::Mint(MintError::Api(AdminApiError::Upstream(Failure::NoDescriptors(_))))
            | Self::Mint(MintError::Cli(CliError::NoDescriptors(_)))
            | Self::Mint(MintError::Command(CliError::NoDescriptors(_)))
            | Self::Exchange(ExchangeError::Upstream(Failure::NoDescriptors(_))) => {
                PairingFailure::Descriptors
            }
            Self::Mint(MintError::Api(error) | MintError::List(error)) => match error {
                AdminApiError::Upstream(_) => PairingFailure::NoAnswer,
                AdminApiError::NoSession => PairingFailure::NoSession,
                AdminApiError::Status(_) => PairingFailure::ApiRefused,
                AdminApiError::Unusable => PairingFailure::ApiUnusable,
            },
            Self::OtherGrants
            | Self::Mint(MintError::NoScopes(_) | MintError::UnknownScopes(_)) => {
                PairingFailure::NoScopes
            }
            Self::Mint(MintError::Cli(error) | MintError::Command(error)) => match error {
                CliError::Busy => PairingFailure::CliBusy,
                CliError::Spawn(_) | CliError::NoDescriptors(_) => PairingFailure::CliMissing,
                CliError::Timeout => PairingFailure::CliTimeout,
                CliError::Failed(..) | CliError::Unfilled(_) => PairingFailure::CliFailed,
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
