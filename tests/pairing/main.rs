//! Pairing: sessions for page loads, many at once, repaired when they die, and across restarts of t3.

#[path = "../common/mod.rs"]
mod common;

mod concurrency;
mod failures;
mod healing;
mod page_load;
mod restart;
