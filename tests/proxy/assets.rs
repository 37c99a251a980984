//! t3's static files: compression, caching, revalidation, warm-up.

mod both_ways;
mod content_coding;
pub(crate) mod files;
mod ineligible;
mod kept;
mod revalidation;
mod shared;
pub(crate) mod site;
mod store;
mod streaming;
mod validated;
mod warmup;
mod warmup_memory;
