//! Who is let in: the options and what becomes of them.

use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, StatusCode};
use ipnet::IpNet;

use crate::config::{DoorConfig, parse};

/// Who is let in, by flag or by environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Who is let in")]
pub struct DoorOptions {
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
}

impl DoorOptions {
    /// The typed values.
    pub(super) fn config(&self) -> DoorConfig {
        DoorConfig {
            identity_header: self.identity_header.clone(),
            allowed_users: self.allowed_users.clone(),
            secret_file: self.secret_file.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            waiting_status: self.waiting_status,
        }
    }
}
