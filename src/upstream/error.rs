//! Why there is no answer of t3, and what the client is told of it.

use std::{fmt, io};

use http::StatusCode;

use crate::metrics::requests::NoAnswer;
use crate::upstream::connection::Unanswered;

/// Why there is no answer of t3.
#[derive(Debug)]
pub enum Failure {
    /// No connection could be made.
    Unreachable(io::Error),
    /// No connection was made within its bound.
    ConnectTimeout,
    /// The connection ended, or what came on it was not HTTP.
    Broken(hyper::Error),
    /// The head of the answer did not come in time.
    ResponseTimeout,
    /// t3 switched protocols, or to another one than was asked for.
    UnaskedSwitch,
    /// The end of the answer is not clear (RFC 9112 §6.3).
    Unclear,
    /// The body of an answer to the dispatcher itself was cut short or too long.
    Unreadable,
    /// The client's own body ended in an error.
    RequestBody,
}

impl Failure {
    /// The status that tells the client of it (RFC 9110 §15.5, §15.6).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::Unreachable(_)
            | Self::Broken(_)
            | Self::UnaskedSwitch
            | Self::Unclear
            | Self::Unreadable => StatusCode::BAD_GATEWAY,
        }
    }

    /// What it is counted as; `None` where t3 is not to blame.
    pub fn cause(&self) -> Option<NoAnswer> {
        match self {
            Self::Unreachable(_) => Some(NoAnswer::Unreachable),
            Self::ConnectTimeout | Self::ResponseTimeout => Some(NoAnswer::Timeout),
            Self::Broken(_) => Some(NoAnswer::Broken),
            Self::UnaskedSwitch | Self::Unclear | Self::Unreadable => Some(NoAnswer::Unusable),
            Self::RequestBody => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(formatter, "no connection: {error}"),
            Self::ConnectTimeout => formatter.write_str("no connection in time"),
            Self::Broken(error) => write!(formatter, "connection broken: {error}"),
            Self::ResponseTimeout => formatter.write_str("no answer in time"),
            Self::UnaskedSwitch => formatter.write_str("switched to a protocol nobody asked for"),
            Self::Unclear => formatter.write_str("an answer whose end is not clear"),
            Self::Unreadable => formatter.write_str("the answer's body was cut short or too long"),
            Self::RequestBody => formatter.write_str("the request's body was cut short"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Closed(error, _) | Unanswered::Broken(error) => Self::Broken(error),
            Unanswered::RequestBody => Self::RequestBody,
            Unanswered::Timeout => Self::ResponseTimeout,
            Unanswered::Switched => Self::UnaskedSwitch,
            Unanswered::Unclear => Self::Unclear,
        }
    }
}
