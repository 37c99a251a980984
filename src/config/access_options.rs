//! The options that say by whom a request may be, and what of it t3 does not see.

use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, StatusCode};
use ipnet::IpNet;

use crate::config::allow_options::AllowConfig;
use crate::config::parse;
use crate::http_rules::name_pattern::NamePattern;

/// Who is let in, and the status of the page for a person who has to wait.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessConfig {
    /// Header in which single sign-on names the user; without it only browsers on this machine are
    /// paired.
    #[arg(long, env = "DISPATCHER_IDENTITY_HEADER", value_name = "NAME")]
    pub identity_header: Option<HeaderName>,

    /// Which of the users are let in.
    #[command(flatten)]
    pub allow: AllowConfig,

    /// File with a secret that the ingress adds as X-Dispatcher-Secret; an identity counts only
    /// with that secret. It may hold two, one a line, while one replaces the other.
    #[arg(
        long,
        env = "DISPATCHER_SECRET_FILE",
        value_name = "PATH",
        requires = "identity_header"
    )]
    pub secret_file: Option<PathBuf>,

    /// Networks whose identity header and X-Forwarded-* are trusted, separated by commas [default:
    /// everywhere, once an identity header is set].
    #[arg(long, env = "DISPATCHER_TRUSTED_PROXIES", value_name = "CIDRS", value_delimiter = ',', value_parser = parse::network)]
    pub trusted_proxies: Option<Vec<IpNet>>,

    /// Further fields of requests that t3 does not get, separated by commas; `*` at the end of one
    /// stands for any end. They add to those that it never gets: those of Authentik, Authelia,
    /// oauth2-proxy, Cloudflare Access, Pomerium, IAP and Tailscale, `Forwarded` and `Set-Cookie`.
    #[arg(long, env = "DISPATCHER_WITHHOLD_HEADERS", value_name = "NAMES", value_delimiter = ',', value_parser = NamePattern::read_fields)]
    pub withhold_headers: Vec<NamePattern>,

    /// Further cookies that t3 does not get, separated by commas; `*` at the end of one stands for
    /// any end. They add to those of the same gates.
    #[arg(long, env = "DISPATCHER_WITHHOLD_COOKIES", value_name = "NAMES", value_delimiter = ',', value_parser = NamePattern::read_cookies)]
    pub withhold_cookies: Vec<NamePattern>,

    /// Status of the page that waits for t3 while it is not up; use 200 behind a proxy that
    /// replaces 5xx responses by its own pages.
    #[arg(long, env = "DISPATCHER_WAITING_STATUS", value_name = "STATUS", default_value = "503", value_parser = parse::page_status)]
    pub waiting_status: StatusCode,
}
