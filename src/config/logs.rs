//! What is logged, and how it looks.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;

use crate::config::parse;

/// What is logged, and how it looks, by flag or by environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogOptions {
    /// What to log: a level, or `target=level` pairs joined by commas.
    #[arg(
        long = "log",
        env = "RUST_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse::log_filter
    )]
    pub filter: Targets,

    /// How a log line looks.
    #[arg(
        long = "log-format",
        env = "LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for a log store.
    Json,
}
