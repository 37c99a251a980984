//! Why there is no response of t3, and the status for it.

use std::io;

use http::StatusCode;

use crate::http_rules::MAX_FIELDS;
use crate::metrics::requests::NoAnswer;
use crate::process::descriptors;
use crate::upstream::connection::NoResponse;
use crate::upstream::health_state::Doubt;

/// Why there is no response of t3.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection could be made.
    #[error("no connection: {0}")]
    Unreachable(io::Error),
    /// Who listens there is another user of this machine than the t3's: nothing was sent.
    #[error("what listens there is not the t3's user")]
    ForeignListener,
    /// Who listens there cannot be told: nothing was sent.
    #[error("who listens there cannot be told: {0}")]
    UnknownListener(io::Error),
    /// No connection was made within its bound.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection ended, or the response was not HTTP.
    #[error("connection broken: {0}")]
    Broken(hyper::Error),
    /// t3 had accepted the connection before it could respond on it (contract §7), and responds to later
    /// ones now.
    #[error("t3 was starting and has lost the request")]
    Lost,
    /// The head of the response did not come in time.
    #[error("no response in time")]
    ResponseTimeout,
    /// t3 switched protocols without being asked, or to another one.
    #[error("switched to a protocol that was not asked for")]
    UnaskedSwitch,
    /// The end of the response is ambiguous (RFC 9112 §6.3).
    #[error("a response whose end is ambiguous")]
    Unclear,
    /// The head of the response passes a limit.
    #[error(
        "a response's head of more than {MAX_FIELDS} fields, or more bytes than DISPATCHER_HEADER_LIMIT"
    )]
    HeadTooLarge,
    /// The body of a response to the dispatcher itself was cut short or too long.
    #[error("the response's body was cut short or too long")]
    Unreadable,
    /// This process has no descriptor left for a connection.
    #[error("no descriptors left here: {0}")]
    NoDescriptors(io::Error),
    /// Clients hold what may be held for them.
    #[error("the memory for clients is in use")]
    OverMemory,
    /// The client's own body ended in an error.
    #[error("the request's body was cut short")]
    RequestBody,
}

impl Failure {
    /// The status of the response to the client (RFC 9110 §15.5, §15.6).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::OverMemory
            | Self::NoDescriptors(_)
            | Self::ForeignListener
            | Self::UnknownListener(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(_)
            | Self::Broken(_)
            | Self::Lost
            | Self::UnaskedSwitch
            | Self::Unclear
            | Self::HeadTooLarge
            | Self::Unreadable => StatusCode::BAD_GATEWAY,
        }
    }

    /// Was nothing of the request sent?
    pub fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::ConnectTimeout
                | Self::ForeignListener
                | Self::UnknownListener(_)
        )
    }

    /// The doubt that it casts on t3. One that takes its time, or responds in another way than expected, is
    /// there.
    pub fn doubt(&self) -> Doubt {
        match self {
            Self::Broken(_) => Doubt::Lost,
            unsent if unsent.is_unsent() => Doubt::Lost,
            _ => Doubt::Unseen,
        }
    }

    /// Is it t3 that failed?
    pub fn is_of_t3(&self) -> bool {
        !matches!(
            self,
            Self::OverMemory | Self::NoDescriptors(_) | Self::RequestBody
        )
    }

    /// The cause it is counted as; `None` where the client itself is to blame.
    pub fn cause(&self) -> Option<NoAnswer> {
        match self {
            Self::Unreachable(_) => Some(NoAnswer::Unreachable),
            Self::ConnectTimeout | Self::ResponseTimeout => Some(NoAnswer::Timeout),
            Self::Broken(_) | Self::Lost => Some(NoAnswer::Broken),
            Self::UnaskedSwitch | Self::Unclear | Self::HeadTooLarge | Self::Unreadable => {
                Some(NoAnswer::Unusable)
            }
            Self::ForeignListener | Self::UnknownListener(_) => Some(NoAnswer::Listener),
            Self::OverMemory => Some(NoAnswer::Memory),
            Self::NoDescriptors(_) => Some(NoAnswer::Descriptors),
            Self::RequestBody => None,
        }
    }
}

impl Failure {
    /// Why no connection could be made.
    pub(super) fn of_connecting(error: io::Error) -> Self {
        match descriptors::are_out(&error) {
            true => Self::NoDescriptors(error),
            false => Self::Unreachable(error),
        }
    }
}

impl From<NoResponse> for Failure {
    fn from(unanswered: NoResponse) -> Self {
        match unanswered {
            NoResponse::Broken(error) if error.is_parse_too_large() => Self::HeadTooLarge,
            NoResponse::Closed(error) | NoResponse::Broken(error) => Self::Broken(error),
            NoResponse::RequestBody => Self::RequestBody,
            NoResponse::Timeout => Self::ResponseTimeout,
            NoResponse::Switched => Self::UnaskedSwitch,
            NoResponse::Unclear => Self::Unclear,
        }
    }
}
