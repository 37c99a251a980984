//! t3's static files: what a browser gets of them, and what t3 is asked for.

#[path = "../common/mod.rs"]
mod common;

mod coded;
mod files;
mod harness;
mod kept;
mod memory;
mod streaming;
mod untouched;
mod validated;
mod warm;
