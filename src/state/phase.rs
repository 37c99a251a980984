//! What a client connection is doing. Pure.

use tokio::time::Instant;

use crate::config::options::LimitsConfig;

/// What a client connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the first byte of the first request, since then.
    New(Instant),
    /// Between two requests, since then.
    Idle(Instant),
    /// In the head of a request, since then.
    Head(Instant),
    /// From the head of a request to the end of its response.
    Exchange,
}

impl Phase {
    /// The phase once bytes of a head are there at `at`; the first one has its time from the beginning.
    pub fn head_at(self, at: Instant) -> Self {
        match self {
            Self::New(since) => Self::Head(since),
            Self::Idle(_) => Self::Head(at),
            other => other,
        }
    }

    /// The phase where all of the last response is with the client only now.
    pub fn idle_from(self, now: Instant) -> Self {
        match self {
            Self::Idle(_) => Self::Idle(now),
            other => other,
        }
    }

    /// Since when it has been between two requests, or before the first one, if it is.
    pub fn idle_since(self) -> Option<Instant> {
        match self {
            Self::New(since) | Self::Idle(since) => Some(since),
            Self::Head(_) | Self::Exchange => None,
        }
    }

    /// The client's deadline for it; none while t3 is waited for.
    pub fn deadline(self, limits: &LimitsConfig) -> Option<Instant> {
        match self {
            Self::Idle(since) => Some(since + limits.idle_timeout),
            Self::New(since) | Self::Head(since) => Some(since + limits.header_timeout),
            Self::Exchange => None,
        }
    }
}
