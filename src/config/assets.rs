//! How t3's static files are kept: the options and what becomes of them.

use clap::Args;

use crate::config::parse;
use crate::config::switch::Switch;

/// How t3's static files are kept, by flag or by environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3's page and its files")]
pub struct AssetOptions {
    /// Whether t3's static files are compressed and made cacheable.
    #[arg(
        long,
        env = "DISPATCHER_ASSETS",
        value_name = "SWITCH",
        default_value = "on"
    )]
    pub assets: Switch,

    /// How much memory compressed files may take, as `32MiB`.
    #[arg(long, env = "DISPATCHER_ASSETS_MEMORY", value_name = "SIZE", default_value = "32MiB", value_parser = parse::size)]
    pub assets_memory: usize,
}

/// How t3's static files are kept.
#[derive(Debug, Clone, Copy)]
pub struct AssetsConfig {
    /// Are they looked at at all?
    pub enabled: bool,
    /// How many bytes of compressed files are kept.
    pub memory: usize,
}

impl AssetOptions {
    /// The typed values.
    pub(super) fn config(&self) -> AssetsConfig {
        AssetsConfig {
            enabled: self.assets.is_on(),
            memory: self.assets_memory,
        }
    }
}
