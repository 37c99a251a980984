//! The shared services behind every request, and the state of one client connection.

pub mod client;
pub mod deadlines;
pub mod failure;

use std::io;
use std::sync::Arc;

use crate::access::Door;
use crate::assets::StaticAssets;
use crate::config::Config;
use crate::config::options::LimitsConfig;
use crate::config::timing::Timing;
use crate::http_rules::request_id::RequestIds;
use crate::metrics::Metrics;
use crate::pairing::Pairing;
use crate::probe::Probes;
use crate::process::Tasks;
use crate::pwa::Pwa;
use crate::tunnel::registry::Tunnels;
use crate::upstream::Upstream;
use crate::upstream::health::Readiness;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Services {
    /// Who is let in.
    pub door: Door,
    /// How much one client may take.
    pub limits: LimitsConfig,
    /// Times that no option sets.
    pub timing: Timing,
    /// Are eligible requests served on the fast path?
    pub fast_path: bool,
    /// t3.
    pub upstream: Arc<Upstream>,
    /// Whether it is there.
    pub readiness: Arc<Readiness>,
    /// What makes sessions on it.
    pub pairing: Pairing,
    /// Its static files.
    pub assets: StaticAssets,
    /// What makes it an app of the home screen.
    pub pwa: Pwa,
    /// The tunnels that are open.
    pub tunnels: Arc<Tunnels>,
    /// The probes that are open.
    pub probes: Probes,
    /// What requests are called.
    pub request_ids: RequestIds,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
}

impl Services {
    /// Starts them as `config` says.
    ///
    /// # Errors
    /// Where the file with the shared secret cannot be read.
    pub fn new(config: Config, tasks: &Tasks) -> io::Result<Self> {
        let door = Door::new(config.access, config.timing)?;
        let metrics = Arc::<Metrics>::default();
        let upstream = Arc::new(Upstream::new(config.upstream, tasks.clone()));
        let readiness = Arc::new(Readiness::new(Arc::clone(&metrics)));
        let pairing = Pairing::new(
            config.pairing,
            config.timing,
            Arc::clone(&upstream),
            Arc::clone(&readiness),
            Arc::clone(&metrics),
            tasks.clone(),
        );
        // A run of t3's command takes most of the memory that a container has (contract §1).
        let command = pairing.clone();
        let should_yield = Box::new(move || command.runs_command());
        Ok(Self {
            door,
            limits: config.limits,
            timing: config.timing,
            fast_path: config.fast_path,
            assets: StaticAssets::new(config.assets, &upstream, tasks, &metrics, should_yield),
            upstream,
            readiness,
            pairing,
            pwa: Pwa::new(config.pwa),
            tunnels: Arc::new(Tunnels::new(config.limits.max_tunnels)),
            probes: Probes::default(),
            request_ids: RequestIds::default(),
            metrics,
        })
    }
}
