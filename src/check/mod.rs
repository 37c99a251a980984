//! `t3-dispatcher check`: the whole way to a live cockpit once, and what stands in it.
//!
//! It takes the steps of a pairing by the code that pairs, opens a WebSocket with the session, and
//! ends the sessions that it made. The dispatcher itself need not run.

pub mod advice;
pub mod base_dir;
pub mod report;
pub mod server;
pub mod steps;
pub mod websocket;

use std::sync::Arc;

use crate::check::report::Report;
use crate::check::steps::Walk;
use crate::config::options::{CliConfig, PairingConfig, UpstreamConfig};
use crate::pairing::dry_run::Rehearsal;
use crate::process::tasks::Tasks;
use crate::upstream::client::Upstream;

/// What a check is about.
#[derive(Debug)]
struct Setup {
    pairing: PairingConfig,
    upstream: Arc<Upstream>,
    address: (String, u16),
    rehearsal: Rehearsal,
}

impl Setup {
    fn cli(&self) -> &CliConfig {
        &self.pairing.cli
    }
}

/// Goes the whole way once, and tells of every step.
pub async fn check(upstream: UpstreamConfig, pairing: PairingConfig) -> Report {
    let address = (upstream.host.clone(), upstream.port);
    let upstream = Arc::new(Upstream::new(upstream, Tasks::default()));
    let rehearsal = Rehearsal::new(pairing.cli.clone(), Arc::clone(&upstream));
    let setup = Setup {
        pairing,
        upstream,
        address,
        rehearsal,
    };
    Walk::new(&setup).run().await
}
