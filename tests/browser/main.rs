//! The dispatcher driven by a real Chromium.

#[path = "../common/mod.rs"]
mod common;

mod cockpit;
mod devices;
mod framing;
mod installability;
mod sign_on_gate;
mod tab;
mod waiting_page;
