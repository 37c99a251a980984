//! The states that t3 may be in.

use std::fmt;

/// The state of t3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// Nobody listens.
    Down,
    /// It accepts connections but does not respond yet.
    Starting,
    /// It responds.
    Up,
    /// It responded, but may be gone since. A probe resolves this within milliseconds.
    Doubtful,
}

impl fmt::Display for HealthState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Up | Self::Doubtful => "up",
        })
    }
}
