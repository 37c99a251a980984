//! Everything that belongs to one t3, and the tasks that run for it.

use std::sync::Arc;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use crate::access::AccessPolicy;
use crate::access::inner::InnerDispatcher;
use crate::assets::StaticAssets;
use crate::assets::content_store::ContentStore;
use crate::config::options::{InnerConfig, LimitsConfig, PairingConfig, UpstreamConfig};
use crate::config::path_template::PathTemplate;
use crate::config::placeholders::Names;
use crate::config::timing::Timing;
use crate::http_rules::frame_ancestors::FrameAncestors;
use crate::metrics::Metrics;
use crate::pairing::Pairing;
use crate::process::Tasks;
use crate::process::client_memory::ClientMemory;
use crate::routes::row::{Row, Via};
use crate::state::power::{Power, PowerCommands};
use crate::tunnel::registry::Tunnels;
use crate::tunnel::upstream_watch;
use crate::upstream::Upstream;
use crate::upstream::health::Readiness;
use crate::upstream::usage::Usage;

/// Everything that belongs to one t3.
#[derive(Debug)]
pub struct Instance {
    /// t3.
    pub upstream: Arc<Upstream>,
    /// The dispatcher that the upstream is, where one stands before t3: pairing, t3's page and its files are
    /// that one's, and requests go on to it as they are.
    pub inner: Option<InnerDispatcher>,
    /// Whether it is there.
    pub readiness: Arc<Readiness>,
    /// What makes sessions on it.
    pub pairing: Arc<Pairing>,
    /// Its static files.
    pub assets: StaticAssets,
    /// The tunnels to it that are open.
    pub tunnels: Arc<Tunnels>,
    /// Its row in the table, with many t3s.
    pub row: Option<Arc<Row>>,
    /// The commands that start and stop it, if there are any.
    pub power: Option<Power>,
    /// Whether clients use it.
    pub usage: Arc<Usage>,
    pub(super) shared: Arc<SharedParts>,
    ended: CancellationToken,
}

/// What the instances of this process share.
#[derive(Debug)]
pub struct SharedParts {
    /// How much one client may take.
    pub limits: LimitsConfig,
    /// Times that no option sets.
    pub timing: Timing,
    /// What is encoded of their files, unless that is switched off.
    pub content: Option<Arc<ContentStore>>,
    /// Who may show t3's page in a frame.
    pub frame_ancestors: FrameAncestors,
    /// Who is let in.
    pub access: Arc<AccessPolicy>,
    /// The port that this dispatcher listens on.
    pub port: u16,
    /// The file with the secret by which dispatchers behind this one know it, where a row names none.
    pub upstream_secret_file: Option<PathTemplate>,
    /// What this process is called by its own probes.
    pub process_id: HeaderValue,
    /// What clients may have held for them.
    pub memory: Arc<ClientMemory>,
    /// The commands that start and stop t3s, if there are any.
    pub power: Option<Arc<PowerCommands>>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Every task, and whether the process will end.
    pub tasks: Tasks,
}

impl SharedParts {
    /// The dispatcher that listens where `row` says, if it is one, with the secret for the row, or for the
    /// person of `identity`.
    pub(super) fn inner_of(&self, row: &Row, identity: &str) -> Option<InnerConfig> {
        row.inner(self.upstream_secret_file.as_ref(), identity)
    }
}

impl Instance {
    /// The t3 of `upstream`, with sessions made as `pairing` says; that of `row` with many, for the person called
    /// `user`. Nothing is asked of it before [`Self::start`].
    pub fn new(
        upstream: UpstreamConfig,
        mut pairing: PairingConfig,
        shared: &Arc<SharedParts>,
        row: Option<Arc<Row>>,
        user: &str,
    ) -> Self {
        let power = power(shared, row.as_deref(), user);
        user.clone_into(&mut pairing.user);
        let metrics = || Arc::clone(&shared.metrics);
        let readiness = Arc::new(match (&row, &power) {
            (None, None) => Readiness::new(metrics()),
            _ => Readiness::on_demand(metrics(), power.is_some()),
        });
        let inner = upstream.inner.as_ref();
        let inner = inner.map(|inner| InnerDispatcher::new(inner, shared.timing.file_reread));
        let upstream = Arc::new(Upstream::new(
            upstream,
            shared.limits.header_limit,
            shared.timing,
            Arc::clone(&readiness),
            Arc::clone(&shared.memory),
            shared.tasks.clone(),
            shared.process_id.clone(),
        ));
        let pairing = Arc::new(Pairing::new(
            pairing,
            shared.timing,
            Arc::clone(&upstream),
            Arc::clone(&readiness),
            metrics(),
            shared.tasks.clone(),
            shared.port,
        ));
        Self {
            assets: assets(&upstream, shared),
            upstream,
            inner,
            readiness,
            pairing,
            tunnels: Arc::new(Tunnels::new(shared.limits.max_tunnels)),
            row,
            power,
            usage: Arc::default(),
            shared: Arc::clone(shared),
            ended: CancellationToken::new(),
        }
    }

    /// Starts its background tasks: the close of idle connections; probes of t3 while it is not up; the watch
    /// of a t3 that has open tunnels; and that of their people where a file lists who is let in. Where no other
    /// dispatcher does it: the warm-up once t3 is up, pairing before files, as a run of the t3 CLI and
    /// compressing take much memory each; the check of the dispatcher's own session; and that of the sessions of
    /// open tunnels.
    pub fn start(self: &Arc<Self>) {
        let instance = Arc::clone(self);
        self.run(async move { instance.upstream.close_idle().await });
        let instance = Arc::clone(self);
        self.run(async move { instance.readiness.watch(&instance.upstream).await });
        let instance = Arc::clone(self);
        self.run(async move {
            let Self {
                tunnels,
                upstream,
                readiness,
                shared,
                ..
            } = &*instance;
            let pause = shared.limits.session_check;
            upstream_watch::close_with_t3(tunnels, upstream, readiness, pause).await;
        });
        if self.shared.access.has_list_in_file() {
            let instance = Arc::clone(self);
            self.run(async move { instance.end_unlisted().await });
        }
        if self.inner.is_some() {
            return;
        }
        let instance = Arc::clone(self);
        self.run(async move { instance.warm_up().await });
        let instance = Arc::clone(self);
        self.run(async move {
            instance.end_dead().await;
        });
    }

    /// Is it the one of `row`?
    pub(super) fn is_of(&self, row: &Arc<Row>) -> bool {
        self.row.as_ref().is_some_and(|own| Arc::ptr_eq(own, row))
    }

    /// Is it nobody's any more?
    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Nobody's any more: its tasks and its tunnels end, also those that are registered from now on.
    pub fn end(&self) {
        self.ended.cancel();
        self.tunnels.end_access();
    }

    /// Gets the dispatcher's own session and keeps it, and the files of t3's page, for ever.
    async fn warm_up(&self) {
        // In boxes, each for as long as it takes: what is kept for ever waits, and takes little.
        Box::pin(self.pairing.tell_cli()).await;
        let seen = self.readiness.wait_until_up_again(0).await;
        Box::pin(self.pairing.warm_up()).await;
        if self.shared.access.is_behind_single_sign_on() {
            Box::pin(self.pairing.owners().warm_up()).await;
            Box::pin(self.end_denied_devices_of_before()).await;
        }
        tokio::join!(
            Box::pin(self.pairing.tell_cli_version()),
            self.pairing.keep_admin_session(seen),
            self.assets.keep_warm(&self.readiness)
        );
    }

    /// Runs a task until the drain begins, or the instance ends.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        // Boxed, as there.
        let task = Box::pin(task);
        self.shared.tasks.until_drained(async move {
            ended.run_until_cancelled(task).await;
        });
    }
}

/// The static files of the t3 of `upstream`.
fn assets(upstream: &Arc<Upstream>, shared: &SharedParts) -> StaticAssets {
    StaticAssets::new(
        shared.content.as_ref(),
        shared.frame_ancestors.clone(),
        upstream,
        &shared.tasks,
        &shared.metrics,
    )
}

/// The commands for the t3 of `row`, of the person called `user`. What the agents behind another dispatcher do
/// is not known here.
fn power(shared: &SharedParts, row: Option<&Row>, user: &str) -> Option<Power> {
    let os_user = row.and_then(|row| row.os_user.as_deref());
    let may_sleep = row.is_none_or(|row| row.via == Via::T3);
    Power::of(shared.power.as_ref(), Names { user, os_user }, may_sleep)
}

#[cfg(test)]
pub(super) fn shared_parts() -> Arc<SharedParts> {
    use clap::Parser;
    let config = crate::config::Config::parse_from(["t3-dispatcher"]);
    let tasks = Tasks::default();
    let access = AccessPolicy::new(config.access, config.timing, &tasks);
    Arc::new(SharedParts {
        access: Arc::new(access.expect("no file")),
        limits: config.limits,
        timing: config.timing,
        content: None,
        frame_ancestors: config.frame_ancestors,
        port: 8080,
        upstream_secret_file: None,
        process_id: HeaderValue::from_static("1"),
        memory: Arc::default(),
        power: None,
        metrics: Arc::default(),
        tasks,
    })
}
