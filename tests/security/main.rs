//! The door.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod desync;
mod elsewhere;
mod framing;
mod harness;
mod identity;
mod load;
mod pairing;
mod revoked;
mod routing;
mod upgrades;
mod withheld;
