//! On or off.

use clap::ValueEnum;

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is done.
    On,
    /// Nothing is touched.
    Off,
}

impl Switch {
    /// Is it on?
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}
