//! The device door: an app goes its way through it, and nobody else gets anything.

#[path = "../common/mod.rs"]
mod common;

mod app_way;
mod credentials;
mod door;
mod guesses;
mod identity;
mod path_tricks;
mod revoked;
mod smuggling;
mod tickets;
