//! t3's static files: what a browser gets of them, and what t3 is asked for.

mod content_coding;
pub(crate) mod files;
mod ineligible;
mod revalidation;
pub(crate) mod site;
mod store;
mod streaming;
mod warmup;
mod warmup_memory;
