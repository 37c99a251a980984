//! A real Chromium in front of the dispatcher.

#[path = "../common/mod.rs"]
mod common;

mod cockpit;
mod installability;
mod sign_on_gate;
