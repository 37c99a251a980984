//! The subcommands, and the options of each.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

use crate::config::access_options::AccessConfig;
use crate::config::asset_options::CacheConfig;
use crate::config::device_options::DeviceConfig;
use crate::config::options::{PairingConfig, UpstreamConfig};
use crate::config::routes_options::RoutesConfig;

/// The subcommands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Copy this binary to a file, for a container whose image does not hold it.
    Install {
        /// The file to write, completely or not at all; its folder must exist.
        path: PathBuf,
    },
    /// Take each step to a live cockpit once, and report which ones fail, with the remedy.
    ///
    /// The steps: the t3 CLI, its base directory, t3, its protocol, its cookie, a session, a WebSocket.
    /// The check revokes what it made. The exit code is 0 if all is well, else 1. Where each person has another
    /// t3, it goes the way of one of them or of everybody, with the same options as the server.
    Check {
        /// t3 as the next hop.
        #[command(flatten)]
        upstream: Box<UpstreamConfig>,

        /// How sessions are made.
        #[command(flatten)]
        pairing: Box<PairingConfig>,

        /// Where each person's t3 is, if there are several.
        #[command(flatten)]
        routes: Box<RoutesConfig>,

        /// How single sign-on names people.
        #[command(flatten)]
        access: Box<AccessConfig>,

        /// Where apps connect.
        #[command(flatten)]
        devices_config: Box<DeviceConfig>,

        /// What outlives a restart.
        #[command(flatten)]
        cache: Box<CacheConfig>,

        /// Go an app's way, too: a code, a token, a ticket, a WebSocket, also by the device door if the dispatcher runs
        /// here.
        #[arg(long)]
        devices: bool,

        /// Go the way of the person whom single sign-on calls NAME.
        #[arg(
            long,
            value_name = "NAME",
            requires = "routes_source",
            conflicts_with = "all"
        )]
        user: Option<String>,

        /// Go the way of everybody in DISPATCHER_ROUTES, four at a time; none is begun after 10 minutes.
        #[arg(long, requires = "routes")]
        all: bool,

        /// Write one JSON object instead of the table.
        #[arg(long)]
        json: bool,
    },
    /// Print a shell completion script.
    ///
    /// For bash: t3-dispatcher completions bash >/etc/bash_completion.d/t3-dispatcher
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Command {
    /// What contradicts itself where a check does not say whose way it is to go, and each person has another t3 by
    /// `routes`.
    pub(super) fn contradiction(&self, routes: &RoutesConfig) -> Option<&'static str> {
        let Self::Check { user, all, .. } = self else {
            return None;
        };
        match (routes.is_any_set(), user, all) {
            (true, None, false) => {
                Some("each person has another t3: --user NAME or --all is needed")
            }
            (_, _, true) if routes.routes.is_none() => {
                Some("--all needs DISPATCHER_ROUTES: nothing else lists everybody")
            }
            _ => None,
        }
    }
}
