//! What helps against each failure of a step. Pure.

use http::StatusCode;

use crate::check::report::Finding;
use crate::pairing::cli_process::CliError;
use crate::pairing::exchange::ExchangeError;
use crate::pairing::mint::MintError;
use crate::upstream::error::Failure;

const UPGRADED: &str =
    "this t3 may be newer than the dispatcher: see whether a newer dispatcher knows it";

/// `what` is wrong, and `cure` helps.
pub(super) fn finding(what: impl ToString, cure: impl Into<String>) -> Finding {
    Finding {
        what: what.to_string(),
        cure: cure.into(),
    }
}

/// t3's command failed.
pub(super) fn of_command(error: &CliError) -> Finding {
    let cure = match error {
        CliError::Spawn(_) => {
            "install t3, or name its command by T3_BIN; it runs on Node 24.10 or later"
        }
        CliError::Timeout => {
            "run it by hand and see where it stops; is the machine or the volume overloaded?"
        }
        CliError::Busy => "too many ask for it at once: try again",
        CliError::Failed(_, cause) if cause.contains("database is locked") => {
            "another process holds t3's database: try again, and see who does"
        }
        CliError::Failed(_, cause) if cause.contains("secrets directory") => {
            "run this as the user who owns t3's base directory"
        }
        CliError::Failed(..) => "run `t3 auth session issue` by hand and read what it says",
        CliError::OutputTooLong | CliError::Output(_) | CliError::Unusable => {
            "its output is not what t3's is: does T3_BIN name t3? If so, this t3 may be newer than the dispatcher"
        }
    };
    finding(error, cure)
}

/// t3 gave no answer, at `address`.
pub(super) fn of_upstream(failure: &Failure, address: &str) -> Finding {
    let cure = match failure {
        Failure::Unreachable(_) | Failure::ConnectTimeout => {
            "start `t3 serve`, or say where it listens: T3_UPSTREAM_HOST, T3_UPSTREAM_PORT"
        }
        Failure::ResponseTimeout => {
            "something listens there and does not answer: t3 may be starting, or hang; look at its log, start it again"
        }
        _ => "what listens there may not be t3: see T3_UPSTREAM_HOST and T3_UPSTREAM_PORT",
    };
    finding(format!("{address}: {failure}"), cure)
}

/// t3's API minted no credential.
pub(super) fn of_mint(error: &MintError) -> Finding {
    let cure = match error {
        MintError::Upstream(_) => "t3 went away meanwhile: try again",
        MintError::NoAdminSession => "see the step before",
        MintError::Cli(error) => return of_command(error),
        MintError::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            "t3 does not accept what its own command issued: do T3CODE_HOME and `t3 serve --base-dir` name the same place?"
        }
        MintError::Status(status) if status.is_server_error() => "look at t3's log",
        MintError::Status(_) | MintError::Unusable => UPGRADED,
    };
    finding(error, cure)
}

/// t3 exchanged no credential.
pub(super) fn of_exchange(error: &ExchangeError) -> Finding {
    let cure = match error {
        ExchangeError::Upstream(_) => "t3 cut the connection: look at its log",
        ExchangeError::Status(StatusCode::UNAUTHORIZED) => {
            "t3 does not know the credential: do T3CODE_HOME and `t3 serve --base-dir` name the same place?"
        }
        ExchangeError::Status(status) if status.is_server_error() => "look at t3's log",
        ExchangeError::Status(_) | ExchangeError::NoCookie => UPGRADED,
    };
    finding(error, cure)
}
