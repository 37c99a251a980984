//! The options that say which of the people whom single sign-on names are let in.

use std::path::PathBuf;

use clap::Args;
use http::HeaderName;

use crate::config::parse;

/// Which people are let in: those of any of the lists, or everybody where there is none.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AllowConfig {
    /// Users who are let in, separated by commas: `alice` is exactly that name, `@example.org` is
    /// everybody of that domain [default: everybody].
    #[arg(long, env = "DISPATCHER_ALLOWED_USERS", value_name = "NAMES", value_delimiter = ',', requires = "identity_source", value_parser = parse::user)]
    pub allowed_users: Option<Vec<String>>,

    /// File with further such users, one a line; it is read again when it changes: write it beside and rename it.
    /// A file that is missing or empty lets nobody in.
    #[arg(
        long,
        env = "DISPATCHER_ALLOWED_USERS_FILE",
        hide_short_help = true,
        value_name = "PATH",
        requires = "identity_source"
    )]
    pub allowed_users_file: Option<PathBuf>,

    /// Groups whose members are let in too, separated by commas; they need the header in which single
    /// sign-on names them.
    #[arg(long, env = "DISPATCHER_ALLOWED_GROUPS", hide_short_help = true, value_name = "GROUPS", value_delimiter = ',', requires_all = ["identity_source", "groups_source"], value_parser = parse::group)]
    pub allowed_groups: Option<Vec<String>>,

    /// Header in which single sign-on names the user's groups.
    #[arg(
        long,
        env = "DISPATCHER_GROUPS_HEADER",
        hide_short_help = true,
        value_name = "NAME",
        requires = "identity_source"
    )]
    pub groups_header: Option<HeaderName>,

    /// Character between two groups in that header, and the only one [default: `|`, or the gate's].
    #[arg(long, env = "DISPATCHER_GROUPS_SEPARATOR", hide_short_help = true, value_name = "CHARACTER", value_parser = parse::separator)]
    pub groups_separator: Option<u8>,

    /// Domains that are taken off a user's name, separated by commas: with `example.org`,
    /// `alice@example.org` is `alice`.
    #[arg(long, env = "DISPATCHER_IDENTITY_DOMAINS", hide_short_help = true, value_name = "DOMAINS", value_delimiter = ',', requires = "identity_source", value_parser = parse::domain)]
    pub identity_domains: Option<Vec<String>>,
}
