//! How much one client may take, and how long: the options and what becomes of them.

use std::time::Duration;

use clap::Args;

use crate::config::parse;

/// How much one client may take, and how long, by flag or by environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of one client")]
pub struct LimitOptions {
    /// How long a client may take for the head of a request.
    #[arg(long, env = "DISPATCHER_HEADER_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = parse::duration)]
    pub header_timeout: Duration,

    /// How many bytes the head of a request may have.
    #[arg(long, env = "DISPATCHER_HEADER_LIMIT", value_name = "BYTES", default_value_t = 131_072, value_parser = parse::header_limit)]
    pub header_limit: usize,

    /// How long a connection is kept between two requests: longer than the proxy in front keeps it.
    #[arg(long, env = "DISPATCHER_IDLE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = parse::duration)]
    pub idle_timeout: Duration,

    /// How long a client may send or take next to nothing of a body while it is waited for.
    #[arg(long, env = "DISPATCHER_BODY_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse::duration)]
    pub body_timeout: Duration,

    /// How many connections there may be; more wait in the backlog.
    #[arg(long, env = "DISPATCHER_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 10_000, value_parser = parse::count)]
    pub max_connections: usize,

    /// How many WebSockets one person may have open.
    #[arg(long, env = "DISPATCHER_MAX_TUNNELS", value_name = "COUNT", default_value_t = 256, value_parser = parse::count)]
    pub max_tunnels: usize,

    /// How often t3 is asked whether the sessions of open WebSockets are alive.
    #[arg(long, env = "DISPATCHER_SESSION_CHECK", value_name = "TIME", default_value = "15s", value_parser = parse::duration)]
    pub session_check: Duration,
}

/// How much one client may take, and how long.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Bytes of a request's head.
    pub header_limit: usize,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// How long a client may send or take next to nothing while it is waited for.
    pub body_timeout: Duration,
    /// Connections at a time; more wait in the listener's backlog.
    pub max_connections: usize,
    /// Tunnels of one visitor at a time.
    pub max_tunnels: usize,
    /// How often the sessions of open tunnels are asked for.
    pub session_check: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            header_limit: 128 * 1024,
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(60),
            max_connections: 10_000,
            max_tunnels: 256,
            session_check: Duration::from_secs(15),
        }
    }
}

impl LimitOptions {
    /// The typed values.
    pub(super) fn config(&self) -> LimitsConfig {
        LimitsConfig {
            header_timeout: self.header_timeout,
            header_limit: self.header_limit,
            idle_timeout: self.idle_timeout,
            body_timeout: self.body_timeout,
            max_connections: self.max_connections,
            max_tunnels: self.max_tunnels,
            session_check: self.session_check,
        }
    }
}
