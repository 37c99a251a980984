//! t3's static files: what a browser gets of them, and what t3 is asked for.

mod coded;
pub(crate) mod files;
pub(crate) mod harness;
mod kept;
mod memory;
mod streaming;
mod untouched;
mod validated;
mod warm;
