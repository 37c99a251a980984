//! What the parts of the dispatcher are told: typed values, each part's own.

pub mod assets;
pub mod command;
pub mod door;
pub mod limits;
pub mod logs;
pub mod options;
pub mod parse;
pub mod switch;
pub mod t3;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use ipnet::IpNet;

use crate::config::assets::AssetsConfig;
use crate::config::limits::LimitsConfig;
use crate::config::t3::MintMode;

/// Where the stack keeps the CLI; used when it is there and no other was named.
const STACK_BIN: &str = "/data/npm-global/bin/t3";
/// Where the stack keeps t3's state; used when it is there and no other was named.
const STACK_HOME: &str = "/data/t3";

/// What the whole way of a request needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// t3 as the next hop.
    pub upstream: UpstreamConfig,
    /// How sessions are made.
    pub pairing: PairingConfig,
    /// Who is let in, and how those are received who have to wait.
    pub door: DoorConfig,
    /// How much one client may take, and how long.
    pub limits: LimitsConfig,
    /// How t3's static files are kept.
    pub assets: AssetsConfig,
    /// Is t3's page made an app of the home screen?
    pub pwa: bool,
    /// How long a drain may take.
    pub drain_timeout: Duration,
}

/// t3 as the next hop.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The longest wait for the head of an answer while nothing of the request moves.
    pub response_timeout: Duration,
}

/// How sessions are made.
#[derive(Debug, Clone)]
pub struct PairingConfig {
    /// Where credentials come from.
    pub mint: MintMode,
    /// The t3 command.
    pub cli: CliConfig,
}

/// Who is let in, and how those are received who have to wait.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// The header by which single sign-on says who it let through.
    pub identity_header: Option<HeaderName>,
    /// Who may come in, where not everybody may who was let through.
    pub allowed_users: Option<Vec<String>>,
    /// Where the secret is that the ingress adds to what it sends.
    pub secret_file: Option<PathBuf>,
    /// Whom to believe what they say of others.
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// The status of the page that a person gets while t3 is not up.
    pub waiting_status: StatusCode,
}

/// How t3's own CLI is run.
#[derive(Debug, Clone, Default)]
pub struct CliConfig {
    program: Option<PathBuf>,
    base_dir: Option<PathBuf>,
}

impl CliConfig {
    /// `program` and `base_dir` where they were named; `None` leaves the choice to the defaults.
    pub fn new(program: Option<PathBuf>, base_dir: Option<PathBuf>) -> Self {
        Self { program, base_dir }
    }

    /// The program to start. Looked up at each call: an install may have ended meanwhile.
    pub fn program(&self) -> PathBuf {
        self.program.clone().unwrap_or_else(|| {
            let stack = PathBuf::from(STACK_BIN);
            if stack.is_file() { stack } else { "t3".into() }
        })
    }

    /// The value of `--base-dir`, or `None` where t3's own default is right.
    pub fn base_dir(&self) -> Option<PathBuf> {
        self.base_dir.clone().or_else(|| {
            let stack = PathBuf::from(STACK_HOME);
            stack.is_dir().then_some(stack)
        })
    }
}
