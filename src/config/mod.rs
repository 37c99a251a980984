//! The command line: options from flags and environment, as the typed values that each part takes.

pub mod options;
pub mod parse;
pub mod timing;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::options::{
    AccessConfig, AssetsConfig, LimitsConfig, ListenConfig, LogsConfig, PairingConfig,
    UpstreamConfig,
};
use crate::config::timing::Timing;

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

/// The whole command line: the options of the server, or a subcommand with its own.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "t3-dispatcher",
    version,
    about,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_long_help = EXAMPLES,
    after_help = "`--help` tells more, with examples. Every option can be set by its variable instead."
)]
pub struct CommandLine {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The options of the server.
    #[command(flatten)]
    pub config: Config,
}

/// What the binary can do besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Copy this binary to PATH, whole or not at all: for an image that does not hold it.
    Install {
        /// The file to write; its folder must be there.
        path: PathBuf,
    },
    /// Go the whole way to a live cockpit once, and tell what stands in it.
    ///
    /// The steps: t3's command, its base directory, t3 itself, its cookie, a session, a WebSocket.
    /// What it makes it revokes. The exit code is 0 where all is well, else 1.
    Check {
        /// t3 as the next hop.
        #[command(flatten)]
        upstream: Box<UpstreamConfig>,

        /// How sessions are made.
        #[command(flatten)]
        pairing: Box<PairingConfig>,

        /// One JSON object in place of the table.
        #[arg(long)]
        json: bool,
    },
    /// Print what makes a shell complete this command line.
    ///
    /// For bash: t3-dispatcher completions bash >/etc/bash_completion.d/t3-dispatcher
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// The options of the server, by the parts that take them.
#[derive(Debug, Clone, Parser)]
#[command(args_override_self = true)]
pub struct Config {
    /// Where clients and Prometheus connect, and how long a drain may take.
    #[command(flatten)]
    pub listen: ListenConfig,

    /// t3 as the next hop.
    #[command(flatten)]
    pub upstream: UpstreamConfig,

    /// How sessions are made.
    #[command(flatten)]
    pub pairing: PairingConfig,

    /// Whether plain requests are forwarded on the fast path; `off` sends all of them through hyper.
    #[arg(
        help_heading = "t3",
        long,
        env = "DISPATCHER_FAST_PATH",
        value_name = "SWITCH",
        default_value = "on",
        value_parser = parse::switch(),
        action = ArgAction::Set
    )]
    pub fast_path: bool,

    /// Who is let in.
    #[command(flatten)]
    pub access: AccessConfig,

    /// How t3's static files are kept.
    #[command(flatten)]
    pub assets: AssetsConfig,

    /// Whether t3's page is made an app that can be put on the home screen.
    #[arg(
        help_heading = "t3's page and its files",
        long,
        env = "DISPATCHER_PWA",
        value_name = "SWITCH",
        default_value = "on",
        value_parser = parse::switch(),
        action = ArgAction::Set
    )]
    pub pwa: bool,

    /// How much one client may take, and how long.
    #[command(flatten)]
    pub limits: LimitsConfig,

    /// What is logged, and how it looks.
    #[command(flatten)]
    pub logs: LogsConfig,

    /// Times that no option sets.
    #[arg(skip)]
    pub timing: Timing,
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["t3-dispatcher"], args].concat())
    }

    #[test]
    fn the_stack_s_names_and_defaults_are_kept() {
        let config = parse(&[]).expect("no option is mandatory");
        assert_eq!(
            config.listen.address(),
            SocketAddr::from(([0, 0, 0, 0], 8080))
        );
        assert_eq!(config.upstream.host, "127.0.0.1");
        assert_eq!(config.upstream.port, 3773);
        assert_eq!(config.listen.drain_timeout, Duration::from_secs(20));
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
            let config = parse(&["--upstream-host", text]).expect(text);
            assert_eq!(config.upstream.host, host);
        }
        let config = parse(&["--host", "[::]"]).expect("brackets are common");
        assert!(config.listen.address().is_ipv6());
    }
}
