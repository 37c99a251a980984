//! The shared services behind every request, and the state of one client connection.

pub mod activity;
pub mod client;
pub mod connections;
pub mod deadlines;
pub mod failure;
pub mod head_lines;
mod held_instances;
pub mod held_memory;
pub mod instance;
pub mod instances;
mod making_way;
mod offboarding;
pub mod phase;
pub mod places;
pub mod power;
mod progress;
mod quiet;
pub mod request_scan;
pub mod routed;
mod session_check;
mod sleep;
mod table_changes;
pub mod transfer_window;
mod wake;

use std::io;
use std::sync::Arc;

use http::HeaderValue;
use tracing::warn;

use crate::access::AccessPolicy;
use crate::access::guess_limit::GuessLimit;
use crate::assets::content_store::ContentStore;
use crate::config::Config;
use crate::config::device_options::DeviceConfig;
use crate::config::options::LimitsConfig;
use crate::config::routes_options::RoutesConfig;
use crate::config::timing::Timing;
use crate::http_rules::frame_ancestors::FrameAncestors;
use crate::http_rules::request_id::RequestIds;
use crate::metrics::Metrics;
use crate::probe::Probes;
use crate::process::Tasks;
use crate::process::client_memory::ClientMemory;
use crate::pwa::Pwa;
use crate::routes::file::RoutesFile;
use crate::routes::row::Via;
use crate::routes::row_options::lacks;
use crate::state::connections::Connections;
use crate::state::instance::SharedParts;
use crate::state::instances::Instances;
use crate::state::power::PowerCommands;
use crate::state::routed::Routes;
use crate::upstream::probe;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Services {
    /// Who is let in.
    pub access: Arc<AccessPolicy>,
    /// How much one client may take.
    pub limits: LimitsConfig,
    /// Times that no option sets.
    pub timing: Timing,
    /// Are eligible requests served on the fast path?
    pub fast_path: bool,
    /// Are requests for static files served here?
    pub has_assets: bool,
    /// The t3s, each with what belongs to it.
    pub instances: Instances,
    /// Who may show t3's page in a frame.
    pub frame_ancestors: FrameAncestors,
    /// What makes the page an app of the home screen, and has it ask whether it was signed out.
    pub pwa: Pwa,
    /// The probes that are open.
    pub probes: Probes,
    /// Where apps connect, if they may.
    pub devices: DeviceConfig,
    /// How many unknown codes and tokens may be shown there.
    pub guesses: GuessLimit,
    /// Every task, and whether the process will end.
    pub tasks: Tasks,
    /// Their connections.
    pub connections: Connections,
    /// What clients may have held for them.
    pub memory: Arc<ClientMemory>,
    /// What this process is called by its own probes.
    pub process_id: HeaderValue,
    /// What requests are called.
    pub request_ids: RequestIds,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
}

impl Services {
    /// Starts them as `config` says, whose port is the one that is listened on.
    ///
    /// # Errors
    /// Where the file with the shared secret or the table of people cannot be read.
    pub fn new(config: Config, tasks: &Tasks) -> io::Result<Self> {
        let access = Arc::new(AccessPolicy::new(config.access, config.timing, tasks)?);
        let mut pairing = config.pairing;
        pairing.guest_scopes = access.guest_scopes().map(Arc::from);
        let (metrics, memory) = (Arc::<Metrics>::default(), Arc::<ClientMemory>::default());
        let routes = routes(&config.routes, config.timing, &metrics, tasks)?;
        if let Some(Routes::Table(table)) = &routes {
            for lack in lacks(&table.borrow(), &pairing) {
                warn!("{lack}");
            }
        }
        let process_id = probe::process_id();
        let shared = Arc::new(SharedParts {
            limits: config.limits,
            timing: config.timing,
            content: ContentStore::new(&config.assets, tasks, &metrics),
            frame_ancestors: config.frame_ancestors.clone(),
            access: Arc::clone(&access),
            port: config.listen.port,
            upstream_secret_file: config.routes.upstream_secret_file,
            process_id: process_id.clone(),
            memory: Arc::clone(&memory),
            power: PowerCommands::of(config.power, config.timing, &metrics),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
        });
        // Without single sign-on nobody signs anybody out.
        let has_script = config.tab_helper && access.is_behind_single_sign_on();
        Ok(Self {
            access,
            limits: config.limits,
            timing: config.timing,
            fast_path: config.fast_path,
            has_assets: config.assets.enabled,
            instances: Instances::start(config.upstream, pairing, routes, &shared),
            frame_ancestors: config.frame_ancestors,
            pwa: Pwa::new(config.pwa, has_script),
            probes: Probes::default(),
            devices: config.devices,
            guesses: GuessLimit::default(),
            tasks: tasks.clone(),
            connections: Connections::default(),
            memory,
            process_id,
            request_ids: RequestIds::default(),
            metrics,
        })
    }
}

/// What says whose t3 is where, if there are several; a table is read again by one of `tasks`.
fn routes(
    config: &RoutesConfig,
    timing: Timing,
    metrics: &Arc<Metrics>,
    tasks: &Tasks,
) -> io::Result<Option<Routes>> {
    if let Some(path) = &config.routes {
        let file = RoutesFile::open(path, timing.routes_reread, Arc::clone(metrics))?;
        let table = file.changes();
        tasks.until_drained(async move { file.keep_current().await });
        return Ok(Some(Routes::Table(table)));
    }
    let via = match config.upstream_secret_file {
        Some(_) => Via::Dispatcher,
        None => Via::T3,
    };
    let template = config.upstream_template.clone();
    Ok(template.map(|template| Routes::Template(template, via)))
}
