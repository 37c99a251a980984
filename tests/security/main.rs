//! The door.

#[path = "../common/mod.rs"]
mod common;

mod framing;
mod harness;
