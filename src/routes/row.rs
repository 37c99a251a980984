//! A row of the table of people: where one person's t3 is, and how its sessions are made. Pure.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::upstream_template::UpstreamTemplate;
use crate::routes::address::Address;

/// Where a person's t3 is, and how its sessions are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    address: Address,
    host: String,
    port: u16,
    /// The user on this machine as whom it runs.
    pub os_user: Option<String>,
    /// Its base directory, for the t3 CLI.
    pub base_dir: Option<PathBuf>,
    /// The t3 CLI.
    pub t3_bin: Option<PathBuf>,
    /// The words of the command that mints a credential; empty where none is to be run.
    pub mint: Option<Vec<String>>,
    /// The file with the token of an administrative session.
    pub token_file: Option<PathBuf>,
    /// What listens there.
    pub via: Via,
    /// The file with the secret by which the dispatcher there knows this one.
    pub secret_file: Option<PathBuf>,
}

/// What listens at the address of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// `t3 serve` itself.
    #[default]
    T3,
    /// A dispatcher beside its own t3.
    Dispatcher,
}

impl Row {
    /// The row of a t3 at `port` of `host`, which is one that [`host_of`] gives or an absolute name.
    pub(super) fn at(host: String, port: u16) -> Self {
        Self {
            address: Address::new(&host, port),
            host,
            port,
            os_user: None,
            base_dir: None,
            t3_bin: None,
            mint: None,
            token_file: None,
            via: Via::T3,
            secret_file: None,
        }
    }

    /// The row of the person of `identity` where a host is made of each name; none where there is no such
    /// person. What listens there is `via`.
    pub fn of_template(template: &UpstreamTemplate, identity: &str, via: Via) -> Option<Self> {
        let host = template.host(identity)?;
        Some(Self {
            via,
            ..Self::at(host, template.port())
        })
    }

    /// Where it listens, equal for all spellings.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The host to connect to: an IP address or a name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }
}
