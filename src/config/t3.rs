//! t3 and its command: the options and what becomes of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::{CliConfig, PairingConfig, UpstreamConfig, parse};

/// t3 and its command, by flag or by environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3")]
pub struct T3Options {
    /// Host on which `t3 serve` listens.
    #[arg(long, env = "T3_UPSTREAM_HOST", value_name = "HOST", default_value = "127.0.0.1", value_parser = parse::upstream_host)]
    pub upstream_host: String,

    /// Port on which `t3 serve` listens.
    #[arg(long, env = "T3_UPSTREAM_PORT", value_name = "PORT", default_value_t = 3773, value_parser = clap::value_parser!(u16).range(1..))]
    pub upstream_port: u16,

    /// The t3 command [default: /data/npm-global/bin/t3 if it is there, else `t3` on PATH].
    #[arg(long, env = "T3_BIN", value_name = "PATH")]
    pub t3_bin: Option<PathBuf>,

    /// t3's base directory [default: /data/t3 if it is there, else t3's own default].
    #[arg(long, env = "T3CODE_HOME", value_name = "DIR")]
    pub t3_home: Option<PathBuf>,

    /// Where pairing credentials come from.
    #[arg(
        long,
        env = "DISPATCHER_MINT",
        value_name = "WAY",
        default_value = "auto"
    )]
    pub mint: MintMode,

    /// How long t3 may leave a request that it has in full without the head of an answer.
    #[arg(long, env = "DISPATCHER_RESPONSE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = parse::duration)]
    pub response_timeout: Duration,
}

/// Where pairing credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MintMode {
    /// From t3's API, and from its command where the API gives none.
    Auto,
    /// From t3's API alone.
    Api,
    /// From t3's command alone.
    Cli,
}

impl T3Options {
    /// t3 as the next hop.
    pub fn upstream(&self) -> UpstreamConfig {
        UpstreamConfig {
            host: self.upstream_host.clone(),
            port: self.upstream_port,
            response_timeout: self.response_timeout,
        }
    }

    /// How sessions are made.
    pub fn pairing(&self) -> PairingConfig {
        PairingConfig {
            mint: self.mint,
            cli: CliConfig::new(self.t3_bin.clone(), self.t3_home.clone()),
        }
    }
}
