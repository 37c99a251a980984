//! Flags and environment in, typed values out.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use tracing_subscriber::filter::Targets;

use super::assets::AssetOptions;
use super::limits::LimitOptions;
use super::parse;
use super::{CliConfig, Config, DoorConfig, PairingConfig, UpstreamConfig};

/// What the process was told, by flag or by environment.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "t3-dispatcher",
    version,
    about,
    max_term_width = 100,
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address to listen on.
    #[arg(long, env = "DISPATCHER_HOST", value_name = "ADDRESS", default_value = "0.0.0.0", value_parser = parse::listen_host)]
    pub host: IpAddr,

    /// Port to listen on; 0 picks a free one and the first log line tells it.
    #[arg(
        long,
        env = "DISPATCHER_PORT",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub port: u16,

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

    /// Header by which single sign-on says who it let through.
    #[arg(long, env = "DISPATCHER_IDENTITY_HEADER", value_name = "NAME")]
    pub identity_header: Option<HeaderName>,

    /// Who may come in, joined by commas; the part before `@` suffices [default: everybody].
    #[arg(
        long,
        env = "DISPATCHER_ALLOWED_USERS",
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "identity_header",
        value_parser = parse::user
    )]
    pub allowed_users: Option<Vec<String>>,

    /// File with a secret that the ingress adds as X-Dispatcher-Secret: without it no identity
    /// counts.
    #[arg(
        long,
        env = "DISPATCHER_SECRET_FILE",
        value_name = "PATH",
        requires = "identity_header"
    )]
    pub secret_file: Option<PathBuf>,

    /// Networks from which the identity and X-Forwarded-* are believed, joined by commas
    /// [default: everywhere, once an identity header is set].
    #[arg(
        long,
        env = "DISPATCHER_TRUSTED_PROXIES",
        value_name = "CIDRS",
        value_delimiter = ',',
        value_parser = parse::network
    )]
    pub trusted_proxies: Option<Vec<IpNet>>,

    /// Status of the page that a person gets while t3 is not up. A proxy in front that replaces
    /// 5xx answers by a page of its own needs another one here, such as 200.
    #[arg(long, env = "DISPATCHER_WAITING_STATUS", value_name = "STATUS", default_value = "503", value_parser = parse::page_status)]
    pub waiting_status: StatusCode,

    /// How long requests and tunnels may go on after SIGTERM, as `20s` or `1m 30s`.
    #[arg(long, env = "DISPATCHER_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = parse::duration)]
    pub drain_timeout: Duration,

    /// How long t3 may leave a request that it has in full without the head of an answer.
    #[arg(long, env = "DISPATCHER_RESPONSE_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = parse::duration)]
    pub response_timeout: Duration,

    /// How t3's static files are kept.
    #[command(flatten)]
    pub assets: AssetOptions,

    /// How much one client may take, and how long.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// What to log: a level, or `target=level` pairs joined by commas.
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse::log_filter
    )]
    pub log: Targets,

    /// How a log line looks.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
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

/// What the binary can do besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Copy this binary to PATH, whole or not at all: for an image that does not hold it.
    Install {
        /// The file to write; its folder must be there.
        path: PathBuf,
    },
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for a log store.
    Json,
}

impl Options {
    /// The socket address to listen on.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The typed values that the server is built from.
    pub fn config(&self) -> Config {
        Config {
            upstream: UpstreamConfig {
                host: self.upstream_host.clone(),
                port: self.upstream_port,
                response_timeout: self.response_timeout,
            },
            pairing: PairingConfig {
                mint: self.mint,
                cli: CliConfig::new(self.t3_bin.clone(), self.t3_home.clone()),
            },
            door: DoorConfig {
                identity_header: self.identity_header.clone(),
                allowed_users: self.allowed_users.clone(),
                secret_file: self.secret_file.clone(),
                trusted_proxies: self.trusted_proxies.clone(),
                waiting_status: self.waiting_status,
            },
            limits: self.limits.config(),
            assets: self.assets.config(),
            drain_timeout: self.drain_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["t3-dispatcher"], args].concat())
    }

    #[test]
    fn the_stack_s_names_and_defaults_are_kept() {
        let options = parse(&[]).expect("no option is mandatory");
        assert_eq!(options.listen(), SocketAddr::from(([0, 0, 0, 0], 8080)));
        assert_eq!(options.config().upstream.host, "127.0.0.1");
        assert_eq!(options.config().upstream.port, 3773);
        assert_eq!(options.drain_timeout, Duration::from_secs(20));
    }

    #[test]
    fn what_does_not_parse_is_refused() {
        for bad in [
            ["--port", "eighty"],
            ["--port", "65536"],
            ["--upstream-port", "0"],
            ["--host", "example.org"],
            ["--upstream-host", "http://t3"],
            ["--upstream-host", ""],
            ["--drain-timeout", "20"],
            ["--drain-timeout", "soon"],
            ["--log", "loud"],
            ["--log-format", "xml"],
        ] {
            let error = parse(&bad).expect_err(bad[1]);
            assert_eq!(error.exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn addresses_of_both_families_are_taken() {
        for (text, host) in [("[::1]", "::1"), ("::1", "::1"), ("t3.local", "t3.local")] {
            let options = parse(&["--upstream-host", text]).expect(text);
            assert_eq!(options.config().upstream.host, host);
        }
        let options = parse(&["--host", "[::]"]).expect("brackets are common");
        assert!(options.listen().is_ipv6());
    }
}
