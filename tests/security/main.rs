//! The door.

#[path = "../common/mod.rs"]
mod common;

mod elsewhere;
mod framing;
mod harness;
mod identity;
mod pairing;
mod revoked;
mod routing;
mod upgrades;
mod withheld;
