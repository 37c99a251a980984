//! The options of t3's static files.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::config::parse;

/// The cache of t3's static files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3's page and static files")]
pub struct AssetsConfig {
    /// Whether t3's static files are compressed and made cacheable; `off` forwards them as they are.
    #[arg(id = "assets", long, env = "DISPATCHER_ASSETS", value_name = "SWITCH", default_value = "on", value_parser = parse::switch(), action = ArgAction::Set)]
    pub enabled: bool,

    /// Memory for compressed files; the least recently used is dropped first.
    #[arg(id = "assets_memory", long = "assets-memory", env = "DISPATCHER_ASSETS_MEMORY", value_name = "SIZE", default_value = "32MiB", value_parser = parse::size)]
    pub memory: usize,

    /// What of it outlives a restart.
    #[command(flatten)]
    pub cache: CacheConfig,
}

/// The directory that keeps compressed files over a restart.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3's page and static files")]
pub struct CacheConfig {
    /// Directory that keeps compressed files over a restart; it is made if there is none. Each file is used
    /// only after it has decoded to what t3 sends.
    #[arg(
        long,
        env = "DISPATCHER_CACHE_DIR",
        value_name = "PATH",
        hide_short_help = true
    )]
    pub cache_dir: Option<PathBuf>,

    /// Maximum bytes in that directory; the least recently used file goes first.
    #[arg(long, env = "DISPATCHER_CACHE_SIZE", value_name = "SIZE", default_value = "64MiB", hide_short_help = true, value_parser = parse::size)]
    pub cache_size: usize,
}
