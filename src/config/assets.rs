//! How t3's static files are kept: the options and what becomes of them.

use clap::{Args, ValueEnum};

use super::parse;

/// How t3's static files are kept, by flag or by environment.
#[derive(Debug, Clone, Args)]
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

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Compressed, kept and made cacheable.
    On,
    /// Forwarded as they are.
    Off,
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
            enabled: self.assets == Switch::On,
            memory: self.assets_memory,
        }
    }
}
