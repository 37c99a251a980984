//! From a browser without a session to one with it: one credential minted and exchanged.

mod ask;
mod bearer;
mod check;
mod child;
mod cli;
mod error;
mod exchange;
mod guard;
mod mint;
mod pair;
mod rehearsal;
mod secret;
mod tabs;

pub use self::ask::Ask;
pub use self::child::CliError;
pub use self::exchange::{ExchangeError, Session};
pub use self::mint::MintError;
pub use self::pair::Pairing;
pub use self::rehearsal::{Administration, Credential, Rehearsal};
