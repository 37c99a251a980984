//! The dispatcher in front of the real t3: `LIVE_T3_BIN=$(.ci/t3) cargo test --test live -- --ignored`.

#[path = "../common/mod.rs"]
mod common;

mod busy;
mod check;
mod chromium;
mod cockpit;
mod demo;
mod described;
mod devices;
mod handshakes;
mod kept_files;
mod many;
mod page_load;
mod pair_link;
mod questions;
mod restart;
mod rights;
mod same_answers;
mod sessions;
#[path = "../browser/sign_on_gate.rs"]
mod sign_on_gate;
mod t3;
mod tab;
mod tap;
