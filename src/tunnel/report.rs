//! What a tunnel was, once it has ended, and who ended it.

use std::fmt;
use std::time::Duration;

use crate::metrics::tunnels::TunnelEnd;

/// Who ended a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The client left without a word, or was lost.
    DownstreamClosed,
    /// t3 left without a word, or was lost.
    UpstreamClosed,
    /// The dispatcher's own drain came to its deadline.
    Drained,
    /// The session that it was opened with has died.
    SessionEnded,
    /// One of them, which had said so by a WebSocket's own close.
    Graceful,
}

/// What a tunnel was, once it has ended.
#[derive(Debug)]
pub struct Report {
    /// Who ended it.
    pub cause: Cause,
    /// Was it t3 who ended it, without having been asked to?
    pub is_t3_gone: bool,
    /// From the 101 to the end of both sides.
    pub duration: Duration,
    /// Bytes from the client to t3.
    pub bytes_up: u64,
    /// Bytes from t3 to the client.
    pub bytes_down: u64,
}

impl Cause {
    /// What it is counted as.
    pub(super) fn counted(self) -> TunnelEnd {
        match self {
            Self::DownstreamClosed => TunnelEnd::DownstreamClosed,
            Self::UpstreamClosed => TunnelEnd::UpstreamClosed,
            Self::Drained => TunnelEnd::Drained,
            Self::SessionEnded => TunnelEnd::SessionEnded,
            Self::Graceful => TunnelEnd::Graceful,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DownstreamClosed => "downstream_closed",
            Self::UpstreamClosed => "upstream_closed",
            Self::Drained => "drained",
            Self::SessionEnded => "session_ended",
            Self::Graceful => "graceful",
        })
    }
}
