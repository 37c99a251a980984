//! Flags and environment in, typed values out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Parser;

use crate::config::assets::AssetOptions;
use crate::config::command::Command;
use crate::config::door::DoorOptions;
use crate::config::limits::LimitOptions;
use crate::config::logs::LogOptions;
use crate::config::switch::Switch;
use crate::config::t3::T3Options;
use crate::config::{Config, parse};

/// Where Prometheus looks for metrics unless another port is named.
const METRICS_PORT: u16 = 9464;

/// What `--help` ends with.
const EXAMPLES: &str = "\
Examples:
  In front of the `t3 serve` of this machine, for a browser on it:
      t3-dispatcher --host 127.0.0.1
  Behind a proxy whose single sign-on names the user; the proxy's network alone is believed:
      t3-dispatcher --identity-header X-authentik-username --trusted-proxies 10.0.0.0/8
  For two people alone, with log lines for a log store:
      t3-dispatcher --identity-header Remote-User --allowed-users alice,bob --log-format json
  What stands in the way? With the same variables or options that it serves with:
      t3-dispatcher check
  What is counted:
      curl http://127.0.0.1:9464/metrics

Every option can be set by its variable instead; a flag goes before it. With none of them only
browsers on this machine are paired. Exit codes: 0 drained, 1 cannot serve, 2 unusable options.";

/// What the process was told, by flag or by environment.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "t3-dispatcher",
    version,
    about,
    max_term_width = 100,
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES,
    after_help = "`--help` tells more, with examples. Every option can be set by its variable instead."
)]
pub struct Options {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address to listen on.
    #[arg(help_heading = "Listening", long, env = "DISPATCHER_HOST", value_name = "ADDRESS", default_value = "0.0.0.0", value_parser = parse::listen_host)]
    pub host: IpAddr,

    /// Port to listen on; 0 picks a free one and the first log line tells it.
    #[arg(
        help_heading = "Listening",
        long,
        env = "DISPATCHER_PORT",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub port: u16,

    /// Port on which Prometheus finds /metrics, on the same address; 0 is none [default: 9464, or
    /// none where that is taken].
    #[arg(
        help_heading = "Listening",
        long,
        env = "DISPATCHER_METRICS_PORT",
        value_name = "PORT"
    )]
    pub metrics_port: Option<u16>,

    /// How long requests and tunnels may go on after SIGTERM, as `20s` or `1m 30s`.
    #[arg(help_heading = "Listening", long, env = "DISPATCHER_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = parse::duration)]
    pub drain_timeout: Duration,

    /// t3 and its command.
    #[command(flatten)]
    pub t3: T3Options,

    /// Who is let in.
    #[command(flatten)]
    pub door: DoorOptions,

    /// How t3's static files are kept.
    #[command(flatten)]
    pub assets: AssetOptions,

    /// Whether t3's page is made an app that can be put on the home screen.
    #[arg(
        help_heading = "t3's page and its files",
        long,
        env = "DISPATCHER_PWA",
        value_name = "SWITCH",
        default_value = "on"
    )]
    pub pwa: Switch,

    /// How much one client may take, and how long.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// What is logged, and how it looks.
    #[command(flatten)]
    pub logs: LogOptions,
}

impl Options {
    /// The socket address to listen on.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The socket address of /metrics, if there is to be one.
    pub fn metrics_listen(&self) -> Option<SocketAddr> {
        let port = self.metrics_port.unwrap_or(METRICS_PORT);
        (port != 0).then(|| SocketAddr::new(self.host, port))
    }

    /// The typed values that the server is built from.
    pub fn config(&self) -> Config {
        Config {
            upstream: self.t3.upstream(),
            pairing: self.t3.pairing(),
            door: self.door.config(),
            limits: self.limits.config(),
            assets: self.assets.config(),
            pwa: self.pwa.is_on(),
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
