//! One door for many people: each lands in his own t3, and nobody in another's.

#[path = "../common/mod.rs"]
mod common;

mod devices;
mod isolation;
mod table;
mod town;
mod via;
