//! The dispatcher in front of the real t3: `LIVE_T3_BIN=$(.ci/t3) cargo test --test live -- --ignored`.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod cockpit;
mod t3;
