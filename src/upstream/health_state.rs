//! The states that t3 may be in, and what casts doubt on one. Pure.

use std::fmt;

use crate::metrics::upstream::UpstreamState;

/// The state of t3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// No probe has ended yet.
    Unknown,
    /// Nobody takes a connection.
    Down,
    /// It is down, nobody waits for it, and a command can start it: it is not probed before somebody wants it.
    Asleep,
    /// Whoever responds there is this dispatcher.
    Itself,
    /// It accepts connections but does not respond yet.
    Starting,
    /// It responds.
    Up,
    /// It was up, does not respond, and nothing says that it has gone: one long turn of its event loop.
    Busy,
    /// It was up, but may be gone since. A probe resolves this within milliseconds.
    Doubtful,
}

impl HealthState {
    /// Is it taken to be there? A busy one will respond in time.
    pub fn is_asked(self) -> bool {
        matches!(self, Self::Up | Self::Busy)
    }

    /// Is it known not to respond, and to have lost what it was asked?
    pub fn is_away(self) -> bool {
        matches!(
            self,
            Self::Down | Self::Asleep | Self::Itself | Self::Starting
        )
    }

    /// The state as which it is counted; none while nothing is known.
    pub fn counted(self) -> Option<UpstreamState> {
        Some(match self {
            Self::Unknown => return None,
            Self::Down | Self::Itself => UpstreamState::Down,
            Self::Asleep => UpstreamState::Asleep,
            Self::Starting => UpstreamState::Starting,
            Self::Busy => UpstreamState::Busy,
            Self::Up | Self::Doubtful => UpstreamState::Up,
        })
    }

    /// Has a probe still to tell what the state is?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Doubtful)
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "unknown",
            Self::Down => "down",
            Self::Asleep => "asleep",
            Self::Itself => "itself",
            Self::Starting => "starting",
            Self::Up | Self::Doubtful => "up",
            Self::Busy => "busy",
        })
    }
}

/// Why a t3 that was up is probed, from the weakest reason to the strongest. What begins with
/// [`Doubt::Closed`] is evidence: a t3 that is silent then is starting, and not busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Nothing tells that it is still there: no connection to it is open.
    Unseen,
    /// It closed a connection that was kept for another request.
    Closed,
    /// It refused a connection, or left a request or a tunnel without its end.
    Lost,
}

impl Doubt {
    /// Does it speak against the t3 that was up?
    pub fn is_evidence(self) -> bool {
        self >= Self::Closed
    }
}
