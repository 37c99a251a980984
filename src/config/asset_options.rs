//! The options of t3's static files.

use clap::{ArgAction, Args};

use crate::config::parse;

/// The cache of t3's static files.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "t3's page and static files")]
pub struct AssetsConfig {
    /// Whether t3's static files are compressed and made cacheable; `off` forwards them as they are.
    #[arg(id = "assets", long, env = "DISPATCHER_ASSETS", value_name = "SWITCH", default_value = "on", value_parser = parse::switch(), action = ArgAction::Set)]
    pub enabled: bool,

    /// Memory for compressed files; the least recently used is dropped first.
    #[arg(id = "assets_memory", long = "assets-memory", env = "DISPATCHER_ASSETS_MEMORY", value_name = "SIZE", default_value = "32MiB", value_parser = parse::size)]
    pub memory: usize,
}
