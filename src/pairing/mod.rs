//! Pairing: gives a browser that has no t3 session one, for which a credential is minted and exchanged.

pub mod admin_api;
pub mod admin_session;
pub mod admin_upkeep;
pub mod admission;
pub mod agent_turns;
mod attempt;
pub mod bearers;
mod cli_environment;
pub mod cli_error;
pub mod cli_process;
pub mod client_list;
pub mod device_codes;
pub mod devices;
pub mod dry_run;
pub mod exchange;
pub mod grants;
pub mod issued_session;
pub mod keys;
mod leavers;
pub mod liveness;
pub mod loop_guard;
pub mod mint;
mod mint_command;
mod offboarding;
pub mod pair_error;
pub mod policy;
pub mod secret;
mod session_owner;
pub mod session_owners;
pub mod session_rate;
pub mod session_request;
mod session_rights;
mod surplus;
pub mod t3_cli;
pub mod tabs;
pub mod token_claims;
pub mod token_file;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::debug;

use crate::access::identity::Browser;
use crate::access::rights::Rights;
use crate::config::options::PairingConfig;
use crate::config::timing::Timing;
use crate::metrics::Metrics;
use crate::metrics::pairing::{PairingRefusal, Way};
use crate::pairing::admin_api::AdminApi;
use crate::pairing::admin_session::AdminSession;
use crate::pairing::agent_turns::AgentTurns;
use crate::pairing::bearers::Bearers;
use crate::pairing::device_codes::DeviceCodes;
use crate::pairing::exchange::CredentialExchange;
use crate::pairing::keys::{BrowserKey, PersonKey, ValueKey};
use crate::pairing::liveness::LivenessCache;
use crate::pairing::loop_guard::{GuardRefusal, LoopGuard};
use crate::pairing::mint::Mint;
use crate::pairing::policy::Liveness;
use crate::pairing::session_owners::SessionOwners;
use crate::pairing::session_rate::SessionRate;
use crate::pairing::session_request::{PairingAttempt, SessionRequest};
use crate::pairing::t3_cli::T3Cli;
use crate::pairing::tabs::{NotPaired, Paired, Tabs, Turn};
use crate::process::{Tasks, host_name};
use crate::upstream::Upstream;
use crate::upstream::health::Readiness;

/// Pairs browsers with t3, and knows which of their sessions are alive, and whose they are.
#[derive(Debug)]
pub struct Pairing {
    upstream: Arc<Upstream>,
    readiness: Arc<Readiness>,
    admin_api: Arc<AdminApi>,
    mint: Arc<Mint>,
    agent_turns: AgentTurns,
    exchange: CredentialExchange,
    guard: LoopGuard,
    rate: SessionRate,
    tabs: Tabs,
    liveness: LivenessCache,
    owners: Arc<SessionOwners>,
    leavers: leavers::Leavers,
    outgrown: session_rights::Outgrown,
    surplus: surplus::Surplus,
    device_codes: DeviceCodes,
    bearers: Bearers,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    patience: Duration,
    /// Has another person another t3?
    is_one_of_several: bool,
}

impl Pairing {
    /// Pairs with the t3 of `upstream`, whose cookie's name `readiness` knows; this one listens on `port`.
    pub fn new(
        config: PairingConfig,
        timing: Timing,
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
        port: u16,
    ) -> Self {
        let (t3, counted) = (|| Arc::clone(&upstream), || Arc::clone(&metrics));
        let ready = || Arc::clone(&readiness);
        let guest_scopes = config.guest_scopes.clone();
        let (mode, is_one_of_several) = (config.mint_mode(), config.cli.is_of_row());
        let has_issued = config.has_issued_session();
        let cli = Arc::new(T3Cli::new(
            &config,
            upstream.port(),
            timing.cli_run,
            counted(),
            tasks.large_programs().clone(),
        ));
        let issuer = has_issued.then_some(&cli);
        let session = AdminSession::new(config.token_file, issuer, timing, port);
        let admin_api = Arc::new(AdminApi::new(t3(), session, counted(), timing));
        let mint = Arc::new(Mint::new(mode, Arc::clone(&admin_api), cli, ready()));
        let label = issued_session::label(&host_name(), port);
        Self {
            agent_turns: AgentTurns::new(t3(), ready(), Arc::clone(&mint), label),
            bearers: Bearers::new(t3()),
            mint,
            owners: Arc::new(SessionOwners::new(Arc::clone(&admin_api), guest_scopes)),
            admin_api,
            upstream,
            readiness,
            exchange: CredentialExchange::default(),
            guard: LoopGuard::new(timing.pairing_pause),
            rate: SessionRate::new(),
            tabs: Tabs::default(),
            liveness: LivenessCache::new(timing.session_alive),
            leavers: Default::default(),
            outgrown: Default::default(),
            surplus: Default::default(),
            device_codes: DeviceCodes::default(),
            metrics,
            tasks,
            patience: timing.pairing_patience,
            is_one_of_several,
        }
    }

    /// t3's administrative endpoints: the first call gets the admin session.
    pub fn admin_api(&self) -> &Arc<AdminApi> {
        &self.admin_api
    }

    /// The owners of browsers' sessions.
    pub fn owners(&self) -> &Arc<SessionOwners> {
        &self.owners
    }

    /// The codes that were minted for devices.
    pub fn device_codes(&self) -> &DeviceCodes {
        &self.device_codes
    }

    /// The tokens of apps.
    pub fn bearers(&self) -> &Bearers {
        &self.bearers
    }

    /// What t3's agents do.
    pub fn agent_turns(&self) -> &AgentTurns {
        &self.agent_turns
    }

    /// Gives `request` a session; none if its browser is in a loop, its person has had too many, or
    /// the pairing fails, which is logged here. Tabs that one person's browser opens together share
    /// one session.
    pub async fn pair(self: &Arc<Self>, request: SessionRequest<'_>) -> Paired {
        let key = BrowserKey::of(request.browser);
        let page = ValueKey::of(request.target.as_bytes());
        if let Some(session) = self.tabs.recently_issued(&key, page) {
            self.joined(&request, Duration::ZERO);
            return Ok(session);
        }
        if let Err(refusal) = self.guard.admit(&key, request.arrived) {
            return self.refused(refusal, &request);
        }
        let begin = || {
            self.rate.take(PersonKey::of(request.browser))?;
            let attempt = PairingAttempt::of(&request, key, self.patience);
            Ok(Arc::clone(self).run(attempt).boxed())
        };
        let turn = match policy::may_share_session(request.browser) {
            true => self.tabs.join_or_begin(&key, page, begin),
            false => begin().map(|pairing| Turn::Begun(pairing.shared())),
        };
        let start = Instant::now();
        let (paired, is_shared) = match turn {
            Ok(Turn::Begun(pairing)) => (pairing.await, false),
            Ok(Turn::Joined(pairing)) => (pairing.await, true),
            Ok(Turn::Issued(session)) => (Ok(session), true),
            Err(refusal) => return self.refused(refusal, &request),
        };
        if is_shared && paired.is_ok() {
            self.joined(&request, start.elapsed());
        }
        paired
    }

    /// Notes that `browser` has loaded a page with the session cookie of `value`, which t3 accepts.
    pub fn returned(&self, browser: &Browser, value: &[u8]) {
        let session = ValueKey::of(value);
        self.guard.returned(&BrowserKey::of(browser), session);
    }

    /// Whether the session cookie of `value` is alive, by t3's word of now or a moment ago.
    pub async fn liveness(&self, value: &[u8]) -> Liveness {
        let name = self.readiness.cookie_name();
        self.liveness.ask(&self.upstream, &name, value).await
    }

    /// Notes that t3 has refused the session cookie of `value`.
    pub fn forget(&self, value: &[u8]) {
        self.liveness.forget(value);
    }

    fn refused(&self, refusal: GuardRefusal, request: &SessionRequest<'_>) -> Paired {
        self.metrics.pairing_refused(refusal.cause);
        refusal.log(request);
        let is_standard = request.browser.rights == Rights::Standard;
        Err(match refusal.cause {
            PairingRefusal::Pause if !is_standard => {
                NotPaired::Refused("the last attempt has just failed".into())
            }
            _ => NotPaired::Unpaired,
        })
    }

    /// The pairing of another tab served this request too.
    fn joined(&self, request: &SessionRequest<'_>, took: Duration) {
        self.metrics.paired(Way::Joined, took);
        let (user, request_id) = (request.browser.user(), request.request_id);
        debug!(user, %request_id, "paired with another tab");
    }
}
