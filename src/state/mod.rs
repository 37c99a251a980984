//! The shared services behind every request, and the state of one client connection.

pub mod client;
pub mod connections;
pub mod deadlines;
pub mod failure;
pub mod head_lines;
pub mod held_memory;
mod making_way;
pub mod phase;
pub mod places;
pub mod request_scan;
pub mod transfer_window;

use std::io;
use std::sync::Arc;

use crate::access::AccessPolicy;
use crate::assets::StaticAssets;
use crate::config::Config;
use crate::config::options::LimitsConfig;
use crate::config::timing::Timing;
use crate::http_rules::frame_ancestors::FrameAncestors;
use crate::http_rules::request_id::RequestIds;
use crate::metrics::Metrics;
use crate::pairing::Pairing;
use crate::probe::Probes;
use crate::process::Tasks;
use crate::process::client_memory::ClientMemory;
use crate::pwa::Pwa;
use crate::state::connections::Connections;
use crate::tunnel::registry::Tunnels;
use crate::upstream::Upstream;
use crate::upstream::health::Readiness;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Services {
    /// Who is let in.
    pub access: AccessPolicy,
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
    pub pairing: Arc<Pairing>,
    /// Its static files.
    pub assets: StaticAssets,
    /// Who may show its page in a frame.
    pub frame_ancestors: FrameAncestors,
    /// What makes it an app of the home screen, and has it ask whether it was signed out.
    pub pwa: Pwa,
    /// The tunnels that are open.
    pub tunnels: Arc<Tunnels>,
    /// The probes that are open.
    pub probes: Probes,
    /// Every task, and whether the process will end.
    pub tasks: Tasks,
    /// Their connections.
    pub connections: Connections,
    /// What clients may have held for them.
    pub memory: Arc<ClientMemory>,
    /// What requests are called.
    pub request_ids: RequestIds,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
}

impl Services {
    /// Starts them as `config` says, whose port is the one that is listened on.
    ///
    /// # Errors
    /// Where the file with the shared secret cannot be read.
    pub fn new(config: Config, tasks: &Tasks) -> io::Result<Self> {
        let access = AccessPolicy::new(config.access, config.timing, tasks)?;
        let (metrics, memory) = (Arc::<Metrics>::default(), Arc::<ClientMemory>::default());
        let readiness = Arc::new(Readiness::new(Arc::clone(&metrics)));
        let upstream = Arc::new(Upstream::new(
            config.upstream,
            config.limits.header_limit,
            config.timing,
            Arc::clone(&readiness),
            Arc::clone(&memory),
            tasks.clone(),
        ));
        let pairing = Arc::new(Pairing::new(
            config.pairing,
            config.timing,
            Arc::clone(&upstream),
            Arc::clone(&readiness),
            Arc::clone(&metrics),
            tasks.clone(),
            config.listen.port,
        ));
        let assets = StaticAssets::new(
            config.assets,
            config.frame_ancestors.clone(),
            &upstream,
            tasks,
            &metrics,
            while_cli_runs(&pairing),
        );
        // Without single sign-on nobody signs anybody out.
        let has_script = config.tab_helper && access.is_behind_single_sign_on();
        Ok(Self {
            access,
            limits: config.limits,
            timing: config.timing,
            fast_path: config.fast_path,
            assets,
            frame_ancestors: config.frame_ancestors,
            upstream,
            readiness,
            pairing,
            pwa: Pwa::new(config.pwa, has_script),
            tunnels: Arc::new(Tunnels::new(config.limits.max_tunnels)),
            probes: Probes::default(),
            tasks: tasks.clone(),
            connections: Connections::default(),
            memory,
            request_ids: RequestIds::default(),
            metrics,
        })
    }
}

/// Is the t3 CLI running? It takes most of the memory that a container has (contract §1).
fn while_cli_runs(pairing: &Arc<Pairing>) -> Box<dyn Fn() -> bool + Send + Sync> {
    let pairing = Arc::clone(pairing);
    Box::new(move || pairing.runs_cli())
}
