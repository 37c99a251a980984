//! The advice for each failure of a step. Pure.

use http::StatusCode;

use crate::check::report::Finding;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::cli_error::CliError;
use crate::pairing::exchange::ExchangeError;
use crate::pairing::token_file::TokenFileError;
use crate::upstream::error::Failure;

const UPGRADED: &str = "this t3 may be newer than the dispatcher: look for a newer dispatcher";

/// The advice if the program at t3's address responds in another way than t3.
pub(super) const NOT_T3: &str =
    "what listens there may not be t3: see T3_UPSTREAM_HOST and T3_UPSTREAM_PORT";

/// What the command of DISPATCHER_MINT_COMMAND is called.
const MINT_COMMAND: &str = "the mint command";

/// A finding that says what is wrong, with the advice that helps.
pub(super) fn finding(what: impl ToString, advice: impl Into<String>) -> Finding {
    Finding {
        what: what.to_string(),
        advice: advice.into(),
    }
}

/// The t3 CLI failed.
pub(super) fn on_cli(error: &CliError) -> Finding {
    let advice = match error {
        CliError::Spawn(_) => {
            "install t3, or set T3_BIN to its CLI; from npm it needs Node 24.10 or later, as a single executable the system that it was made for"
        }
        CliError::Timeout => {
            "run it by hand and see where it stops; is the machine or the volume overloaded?"
        }
        CliError::Busy => "too many runs wait: try again",
        CliError::NoDescriptors(_) => "raise the limit of descriptors (`ulimit -n`)",
        CliError::Failed(_, cause) if cause.contains("database is locked") => {
            "another process locks t3's database: try again, and find that process"
        }
        CliError::Failed(_, cause) if cause.contains("secrets directory") => {
            "run this as the user that owns t3's base directory"
        }
        CliError::Failed(..) => "run `t3 auth session issue` by hand and read its output",
        CliError::OutputTooLong | CliError::Output(_) | CliError::Unusable => {
            "is T3_BIN the t3 CLI? If so, this t3 may be newer than the dispatcher"
        }
        CliError::Unfilled(_) => "it is run for a person",
    };
    finding(error, advice)
}

/// The command that mints in the t3 CLI's place failed.
pub(super) fn on_command(error: &CliError) -> Finding {
    let advice = match error {
        CliError::Spawn(_) => "let the user of this process run it, by its full path",
        CliError::Failed(..) | CliError::Timeout => {
            "run it by hand as the user of this process, without a terminal: a password that it asks for is nobody's to type (`sudo -n`)"
        }
        CliError::OutputTooLong | CliError::Output(_) | CliError::Unusable => {
            "it must print what `t3 auth pairing create --json` prints, and nothing else"
        }
        CliError::Busy | CliError::NoDescriptors(_) | CliError::Unfilled(_) => {
            return finding(error.of(MINT_COMMAND), on_cli(error).advice);
        }
    };
    finding(error.of(MINT_COMMAND), advice)
}

/// The file of the admin session gives no token.
pub(super) fn on_token_file(error: &TokenFileError) -> Finding {
    let advice = match error {
        TokenFileError::Missing(_) => {
            "have t3's container write it: `t3 auth session issue --token-only`"
        }
        TokenFileError::Unreadable(..) | TokenFileError::Late(_) => {
            "let the user of this process read it; is DISPATCHER_TOKEN_FILE the right path?"
        }
        TokenFileError::Unusable(_) => {
            "it must hold the token alone, as `t3 auth session issue --token-only` prints it"
        }
    };
    finding(error, advice)
}

/// t3 did not respond at `address`.
pub(super) fn on_upstream(failure: &Failure, address: &str) -> Finding {
    let advice = match failure {
        Failure::Unreachable(_) | Failure::ConnectTimeout => {
            "start `t3 serve`, or set T3_UPSTREAM_HOST and T3_UPSTREAM_PORT to where it listens"
        }
        Failure::ResponseTimeout => {
            "something listens there and does not respond: t3 may be starting, which takes minutes where it imports a database, or hang; look at its log before you restart it"
        }
        _ => NOT_T3,
    };
    finding(format!("{address}: {failure}"), advice)
}

/// t3's API minted no credential.
pub(super) fn on_mint(error: &AdminApiError) -> Finding {
    let advice = match error {
        AdminApiError::Upstream(_) => "t3 has just gone: try again",
        AdminApiError::NoSession => "see the step before",
        AdminApiError::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            "t3 does not accept the session that its CLI issued: are T3CODE_HOME and `t3 serve --base-dir` the same, and is the CLI of t3's own version (T3_BIN)?"
        }
        AdminApiError::Status(status) if status.is_server_error() => "look at t3's log",
        AdminApiError::Status(_) | AdminApiError::Unusable => UPGRADED,
    };
    finding(format!("pairing-token: {error}"), advice)
}

/// t3 exchanged no credential.
pub(super) fn on_exchange(error: &ExchangeError) -> Finding {
    let advice = match error {
        ExchangeError::Upstream(_) => "t3 cut the connection: look at its log",
        ExchangeError::Status(StatusCode::UNAUTHORIZED) => {
            "t3 does not know the credential: are T3CODE_HOME and `t3 serve --base-dir` the same, and is the CLI of t3's own version (T3_BIN)?"
        }
        ExchangeError::Status(status) if status.is_server_error() => "look at t3's log",
        ExchangeError::Status(_) | ExchangeError::NoCookie => UPGRADED,
    };
    finding(error, advice)
}
