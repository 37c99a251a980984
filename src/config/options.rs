//! The options in groups: flag, variable and default of each, as the typed value that its user takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, value_parser};
use tracing_subscriber::filter::Targets;

use crate::config::cli_options::CliConfig;
use crate::config::command_template::CommandTemplate;
use crate::config::parse;

/// The port of /metrics unless another one is set.
const METRICS_PORT: u16 = 9464;

/// Where clients and Prometheus connect, and how long a drain may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listening")]
pub struct ListenConfig {
    /// Address to listen on.
    #[arg(long, env = "DISPATCHER_HOST", value_name = "ADDRESS", default_value = "0.0.0.0", value_parser = parse::listen_host)]
    pub host: IpAddr,

    /// Port to listen on; 0 picks a free one, which the first log line reports.
    #[arg(
        long,
        env = "DISPATCHER_PORT",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub port: u16,

    /// Port of /metrics, on the same address; 0 is none. A port that is set here must be free
    /// [default: 9464, or none if that is taken].
    #[arg(long, env = "DISPATCHER_METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<u16>,

    /// Whether /metrics and /dispatcher/activity name the people whom t3s belong to: whoever reads them then
    /// sees who works when.
    #[arg(long, env = "DISPATCHER_METRICS_USERS", value_name = "SWITCH", default_value = "off", hide_short_help = true, value_parser = parse::switch(), action = ArgAction::Set)]
    pub metrics_users: bool,

    /// How long what is under way may go on after SIGTERM, as `20s` or `1m 30s`.
    #[arg(long, env = "DISPATCHER_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = parse::duration)]
    pub drain_timeout: Duration,

    /// How long connections are still accepted after SIGTERM, before that time begins, for proxies
    /// that are slow to forget this address; /readyz is 503 and every answer ends its connection.
    #[arg(long, env = "DISPATCHER_DRAIN_DELAY", value_name = "TIME", default_value = "0s", hide_short_help = true, value_parser = parse::duration)]
    pub drain_delay: Duration,
}

/// t3 as the next hop.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3")]
pub struct UpstreamConfig {
    /// Host name or address of `t3 serve`.
    #[arg(id = "upstream_host", long = "upstream-host", env = "T3_UPSTREAM_HOST", value_name = "HOST", default_value = "127.0.0.1", value_parser = parse::upstream_host)]
    pub host: String,

    /// Port of `t3 serve`.
    #[arg(id = "upstream_port", long = "upstream-port", env = "T3_UPSTREAM_PORT", value_name = "PORT", default_value_t = 3773, value_parser = value_parser!(u16).range(1..))]
    pub port: u16,

    /// How long t3 may take for a response's head while nothing of the request moves.
    #[arg(long, env = "DISPATCHER_RESPONSE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = parse::time_above_zero)]
    pub response_timeout: Duration,

    /// As whom t3 has to run, where a table says so.
    #[arg(skip)]
    pub os_user: Option<String>,

    /// What a dispatcher that listens there, beside its own t3, has to be sent; no option sets it.
    #[arg(skip)]
    pub inner: Option<InnerConfig>,
}

/// A dispatcher behind this one.
#[derive(Debug, Clone, Default)]
pub struct InnerConfig {
    /// The file with the secret by which it knows this one.
    pub secret_file: Option<PathBuf>,
}

/// How sessions are made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "t3")]
pub struct PairingConfig {
    /// The t3 CLI.
    #[command(flatten)]
    pub cli: CliConfig,

    /// Source of pairing credentials.
    #[arg(
        long,
        env = "DISPATCHER_MINT",
        value_name = "WAY",
        default_value = "auto"
    )]
    pub mint: MintMode,

    /// File with the token of an administrative session, as `t3 auth session issue --token-only`
    /// prints it; the t3 CLI is then never run.
    #[arg(
        long,
        env = "DISPATCHER_TOKEN_FILE",
        value_name = "PATH",
        hide_short_help = true
    )]
    pub token_file: Option<PathBuf>,

    /// Command that prints a pairing credential as `t3 auth pairing create --json` does, run instead of
    /// the t3 CLI and without a shell. With several people `{user}` and `{os_user}` stand for the
    /// person's names. Without DISPATCHER_TOKEN_FILE there is then no administrative session.
    #[arg(long, env = "DISPATCHER_MINT_COMMAND", hide_short_help = true, value_name = "COMMAND", value_parser = CommandTemplate::parse)]
    pub mint_command: Option<CommandTemplate>,

    /// The user that `{os_user}` stands for; no option sets it.
    #[arg(skip)]
    pub os_user: Option<String>,

    /// The person whom `{user}` stands for where a credential is for nobody's browser; no option sets it.
    #[arg(skip)]
    pub user: String,

    /// What a guest may do, where people of some groups have other rights than the standard; the options of
    /// access say so.
    #[arg(skip)]
    pub guest_scopes: Option<Arc<[String]>>,
}

/// The source of pairing credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MintMode {
    /// t3's API, or the t3 CLI if the API gives none.
    Auto,
    /// Only t3's API.
    Api,
    /// Only the t3 CLI.
    Cli,
}

/// The maximum of a head, where no option says another: single sign-on's cookies can be large.
pub const HEADER_LIMIT_BYTES: usize = 128 * 1024;

/// Limits of clients: times, sizes and numbers.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitsConfig {
    /// How long a client may take for a request's head.
    #[arg(long, env = "DISPATCHER_HEADER_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = parse::time_above_zero)]
    pub header_timeout: Duration,

    /// Maximum bytes of a request's head, and of a response's.
    #[arg(long, env = "DISPATCHER_HEADER_LIMIT", value_name = "BYTES", default_value_t = HEADER_LIMIT_BYTES, value_parser = parse::header_limit)]
    pub header_limit: usize,

    /// How long a connection is kept between two requests; it must be longer than the proxy in front
    /// keeps it.
    #[arg(long, env = "DISPATCHER_IDLE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = parse::time_above_zero)]
    pub idle_timeout: Duration,

    /// How long a client may send or read less than 256 bytes a second while the dispatcher waits for
    /// it.
    #[arg(long, env = "DISPATCHER_BODY_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = parse::time_above_zero)]
    pub body_timeout: Duration,

    /// Maximum number of connections; the longest idle one makes way for one more, and where none is
    /// idle, more get 503.
    #[arg(long, env = "DISPATCHER_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 10_000, value_parser = parse::count)]
    pub max_connections: usize,

    /// Maximum number of open WebSockets of one person.
    #[arg(long, env = "DISPATCHER_MAX_TUNNELS", value_name = "COUNT", default_value_t = 256, value_parser = parse::count)]
    pub max_tunnels: usize,

    /// How often t3 is asked whether the sessions of open WebSockets are alive.
    #[arg(long, env = "DISPATCHER_SESSION_CHECK", value_name = "TIME", default_value = "15s", value_parser = parse::time_above_zero)]
    pub session_check: Duration,
}

/// The filter and the format of log lines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogsConfig {
    /// Log filter: a level, or `target=level` pairs separated by commas.
    #[arg(id = "log", long, env = "RUST_LOG", value_name = "FILTER", default_value = "info", value_parser = parse::log_filter)]
    pub filter: Targets,

    /// Format of log lines.
    #[arg(
        id = "log_format",
        long = "log-format",
        env = "LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line, for a log store.
    Json,
}

impl LimitsConfig {
    /// The limits of a client for whom only a spare place is left: it gives way soon.
    pub fn of_spare_place(mut self) -> Self {
        self.header_timeout = self.header_timeout.min(Duration::from_secs(1));
        self
    }
}

impl ListenConfig {
    /// The socket address to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The socket address of /metrics, if there is to be one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        let port = self.metrics_port.unwrap_or(METRICS_PORT);
        (port != 0).then(|| SocketAddr::new(self.host, port))
    }
}

impl PairingConfig {
    /// The source of credentials: only t3's API if there is a session for it and neither the t3 CLI nor a
    /// command may run. A command stands in the t3 CLI's place.
    pub fn mint_mode(&self) -> MintMode {
        match (self.mint_command(), &self.token_file) {
            (Some(_), None) => MintMode::Cli,
            (None, Some(_)) => MintMode::Api,
            (None, None) if !self.cli.may_run() => MintMode::Api,
            (Some(_), Some(_)) | (None, None) => self.mint,
        }
    }

    /// Does the t3 CLI issue the administrative session?
    pub fn has_issued_session(&self) -> bool {
        self.token_file.is_none() && self.mint_command().is_none() && self.cli.may_run()
    }

    /// The command that mints credentials, if one is to be run.
    pub fn mint_command(&self) -> Option<&CommandTemplate> {
        self.mint_command
            .as_ref()
            .filter(|command| !command.is_none())
    }

    /// What contradicts itself in these options.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        if self.token_file.is_some() && self.mint == MintMode::Cli {
            return Some(
                "DISPATCHER_TOKEN_FILE is for t3's API, which DISPATCHER_MINT=cli does not use",
            );
        }
        let is_unused = self.mint_command().is_some() && self.mint == MintMode::Api;
        is_unused.then_some("DISPATCHER_MINT_COMMAND is never run with DISPATCHER_MINT=api")
    }
}

#[cfg(test)]
impl Default for LimitsConfig {
    /// The defaults of the definitions, whatever the environment holds.
    fn default() -> Self {
        let command = Self::augment_args(clap::Command::new("limits"));
        let command = command.mut_args(|option| option.env(clap::builder::Resettable::Reset));
        let matches = command.get_matches_from([""; 0]);
        clap::FromArgMatches::from_arg_matches(&matches).expect("every limit has a default")
    }
}
