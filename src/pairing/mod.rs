//! From a browser without a session to one with it: one credential minted and exchanged.

mod bearer;
mod check;
mod child;
mod cli;
mod error;
mod exchange;
mod guard;
mod mint;
mod pair;
mod secret;
mod tabs;

pub use self::exchange::Session;
pub use self::pair::{Ask, Pairing};
