//! The command line: options from flags and environment, as the typed values that each part takes.

pub mod access_options;
pub mod allow_options;
pub mod asset_options;
pub mod cli_options;
pub mod command_template;
pub mod device_host;
pub mod device_options;
pub mod gate_options;
pub mod jwt_options;
pub mod options;
pub mod parse;
pub mod path_template;
pub mod placeholders;
pub mod power_options;
pub mod rights_options;
pub mod routes_options;
pub mod signed_config;
pub mod subcommands;
pub mod timing;
pub mod unknown_variables;
pub mod upstream_template;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser};

use crate::config::access_options::AccessConfig;
use crate::config::asset_options::AssetsConfig;
use crate::config::device_options::DeviceConfig;
use crate::config::options::{
    LimitsConfig, ListenConfig, LogsConfig, PairingConfig, UpstreamConfig,
};
use crate::config::power_options::PowerConfig;
use crate::config::routes_options::RoutesConfig;
use crate::config::subcommands::Command;
use crate::config::timing::Timing;
use crate::http_rules::frame_ancestors::FrameAncestors;

/// The end of `--help`.
const EXAMPLES: &str = "\
Examples:
  In front of the `t3 serve` of this machine, for a browser on it:
      t3-dispatcher --host 127.0.0.1
  Behind a proxy with single sign-on by Authentik; only the proxy's network is trusted:
      t3-dispatcher --gate authentik --trusted-proxies 10.0.0.0/8
  Behind a gate that it does not know, for two users only, with log lines for a log store:
      t3-dispatcher --identity-header X-User --allowed-users alice,bob --log-format json
  Find the step that fails, with the same variables or options as the server:
      t3-dispatcher check
  Read the metrics:
      curl http://127.0.0.1:9464/metrics

Every option can be set by its variable instead; a flag takes precedence. Without options only
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
    after_help = "`--help` has all options and examples. Every option can be set by its variable instead."
)]
pub struct CommandLine {
    /// A task other than serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The options of the server.
    #[command(flatten)]
    pub config: Config,
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

    /// How a t3 is started when its person comes, and stopped when nobody uses it.
    #[command(flatten)]
    pub power: PowerConfig,

    /// Whether plain requests are forwarded on the fast path; `off` sends all requests through hyper.
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

    /// Where each person's t3 is, if there are several.
    #[command(flatten)]
    pub routes: RoutesConfig,

    /// Who is let in.
    #[command(flatten)]
    pub access: AccessConfig,

    /// Where apps connect, which cannot pass single sign-on.
    #[command(flatten)]
    pub devices: DeviceConfig,

    /// Pages that may show t3's page in a frame: CSP sources separated by spaces, as `'self'
    /// https://dash.test`.
    #[arg(
        help_heading = "t3's page and static files",
        long,
        env = "DISPATCHER_FRAME_ANCESTORS",
        value_name = "SOURCES",
        default_value = "'self'",
        value_parser = FrameAncestors::new
    )]
    pub frame_ancestors: FrameAncestors,

    /// The cache of t3's static files.
    #[command(flatten)]
    pub assets: AssetsConfig,

    /// Whether t3's page can be installed on a home screen; `off` leaves the page as it is, and
    /// serves no manifest.
    #[arg(
        help_heading = "t3's page and static files",
        long,
        env = "DISPATCHER_PWA",
        value_name = "SWITCH",
        default_value = "on",
        value_parser = parse::switch(),
        action = ArgAction::Set
    )]
    pub pwa: bool,

    /// Whether t3's page gets a script of the dispatcher's that tells a person who was signed out so, and
    /// lets that person sign in again without a reload; only with an identity header.
    #[arg(
        help_heading = "t3's page and static files",
        long,
        env = "DISPATCHER_TAB_HELPER",
        value_name = "SWITCH",
        default_value = "on",
        hide_short_help = true,
        value_parser = parse::switch(),
        action = ArgAction::Set
    )]
    pub tab_helper: bool,

    /// Limits of clients.
    #[command(flatten)]
    pub limits: LimitsConfig,

    /// The filter and the format of log lines.
    #[command(flatten)]
    pub logs: LogsConfig,

    /// Times that no option sets.
    #[arg(skip)]
    pub timing: Timing,
}

impl CommandLine {
    /// The command line and the environment of this process.
    ///
    /// # Errors
    /// Where an option is unusable, or two contradict each other.
    pub fn of_this_process() -> Result<Self, clap::Error> {
        Self::try_parse().and_then(Self::without_contradiction)
    }

    fn without_contradiction(self) -> Result<Self, clap::Error> {
        let Config {
            pairing,
            routes,
            access,
            devices,
            ..
        } = &self.config;
        let (pairing, routes, access) = match &self.command {
            Some(Command::Check {
                pairing,
                routes,
                access,
                ..
            }) => (&**pairing, &**routes, &**access),
            _ => (pairing, routes, access),
        };
        let power = &self.config.power;
        let contradiction = pairing.contradiction();
        let contradiction = contradiction.or_else(|| routes.contradiction(pairing));
        let contradiction = contradiction.or_else(|| power.contradiction(routes));
        let contradiction = contradiction.or_else(|| devices.contradiction(routes.is_any_set()));
        let command = self.command.as_ref();
        let contradiction = contradiction.or_else(|| command?.contradiction(routes));
        let contradiction = contradiction.map(str::to_owned);
        match contradiction.or_else(|| access.contradiction()) {
            Some(text) => Err(Self::command().error(ErrorKind::ArgumentConflict, text)),
            None => Ok(self),
        }
    }
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
    fn a_token_file_is_not_for_the_cli() {
        let parse = |args: &[&str]| {
            let parsed = CommandLine::try_parse_from([&["t3-dispatcher"], args].concat());
            parsed.and_then(CommandLine::without_contradiction)
        };
        let file = ["--token-file", "/data/token"];
        assert!(parse(&file).is_ok());
        for bad in [
            [&file[..], &["--mint", "cli"]].concat(),
            [&["check"], &file[..], &["--mint", "cli"]].concat(),
        ] {
            let error = parse(&bad).expect_err("a contradiction");
            assert_eq!(error.exit_code(), 2);
            assert!(
                error.to_string().contains("DISPATCHER_TOKEN_FILE"),
                "{error}"
            );
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
