//! From a browser without a session to one with it: joined to another tab's pairing, refused, or paired.

pub mod admin_session;
pub mod cli_process;
pub mod dry_run;
pub mod exchange;
pub mod liveness;
pub mod loop_guard;
pub mod mint;
pub mod policy;
pub mod secret;
pub mod t3_cli;
pub mod tabs;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::access::identity::Browser;
use crate::config::options::PairingConfig;
use crate::config::timing::Timing;
use crate::http_rules::request_id::RequestId;
use crate::metrics::Metrics;
use crate::metrics::pairing::{PairingFailure, Way};
use crate::pairing::cli_process::CliError;
use crate::pairing::exchange::{Exchange, ExchangeError, Session};
use crate::pairing::liveness::Check;
use crate::pairing::loop_guard::{Guard, GuardRefusal};
use crate::pairing::mint::{Mint, MintError};
use crate::pairing::policy::Liveness;
use crate::pairing::tabs::{Paired, Tabs};
use crate::process::Tasks;
use crate::upstream::Upstream;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;

/// Makes sessions on t3, and knows which are alive.
#[derive(Debug, Clone)]
pub struct Pairing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    upstream: Arc<Upstream>,
    readiness: Arc<Readiness>,
    mint: Mint,
    exchange: Exchange,
    guard: Guard,
    tabs: Tabs,
    check: Check,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    patience: Duration,
}

/// A request for a session.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Who is to have it.
    pub browser: &'a Browser,
    /// What the request is called in every log.
    pub request_id: &'a RequestId,
    /// The page, or what else, that was asked for.
    pub target: &'a str,
    /// When the request came.
    pub arrived: Instant,
    /// Did it bring a session, which turned out to be dead?
    pub had_session: bool,
}

/// What of an [`Ask`] a pairing needs that may outlive it.
struct Wish {
    browser: Browser,
    request_id: RequestId,
    deadline: Instant,
}

/// Why there is no session.
#[derive(Debug, Error)]
enum PairError {
    /// No credential was minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The credential was not exchanged for a session.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It took longer than anybody waits.
    #[error("no session in the time that anybody waits")]
    Late,
}

impl Pairing {
    /// `upstream` is t3, and `readiness` knows how it calls its cookie.
    pub fn new(
        config: PairingConfig,
        timing: Timing,
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        let mint = Mint::new(config, timing, Arc::clone(&upstream), Arc::clone(&metrics));
        Self(Arc::new(Inner {
            upstream,
            readiness,
            mint,
            exchange: Exchange::default(),
            guard: Guard::new(timing.pairing_pause),
            tabs: Tabs::default(),
            check: Check::new(timing.session_alive),
            metrics,
            tasks,
            patience: timing.pairing_patience,
        }))
    }

    /// Gets ready to pair at once; to be called when t3 is first up.
    pub async fn warm_up(&self) {
        self.0.mint.warm_up().await;
    }

    /// Does t3's command run right now?
    pub fn runs_command(&self) -> bool {
        self.0.mint.runs_command()
    }

    /// Makes a session. Tabs of a person's browser that come together share one; without an
    /// identity nobody shares anything. What fails is logged here, once.
    pub async fn pair(&self, ask: Ask<'_>) -> Paired {
        let (inner, browser) = (&self.0, ask.browser);
        if let Some(session) = inner.tabs.handed_on(browser, ask.target) {
            inner.joined(&ask, Duration::ZERO);
            return Some(session);
        }
        if let Err(refusal) = inner.guard.admit(browser, ask.arrived) {
            inner.metrics.pairing_refused(refusal.cause);
            tell(refusal, &ask);
            return None;
        }
        let pairing = || Arc::clone(inner).pair_once(Wish::of(&ask, inner.patience));
        if !policy::may_share_session(browser) {
            return pairing().await;
        }
        let (start, mut is_first) = (Instant::now(), false);
        let begin = || {
            is_first = true;
            pairing()
        };
        let pairing = inner.tabs.join(browser, ask.target, begin);
        let paired = pairing.await;
        if paired.is_some() && !is_first {
            inner.joined(&ask, start.elapsed());
        }
        paired
    }

    /// What t3 says of the session whose cookie has `value`, now or a moment ago.
    pub async fn liveness(&self, value: &[u8]) -> Liveness {
        let name = self.0.readiness.cookie_name();
        self.0.check.liveness(&self.0.upstream, &name, value).await
    }

    /// t3 has refused the session called `value`.
    pub fn forget(&self, value: &[u8]) {
        self.0.check.forget(value);
    }
}

impl Inner {
    /// Another tab's pairing served this one too.
    fn joined(&self, ask: &Ask<'_>, took: Duration) {
        self.metrics.paired(Way::Joined, took);
        debug!(user = ask.browser.user(), request_id = %ask.request_id, "paired with another tab");
    }

    async fn pair_once(self: Arc<Self>, wish: Wish) -> Paired {
        let browser = &wish.browser;
        let paired = tokio::time::timeout_at(wish.deadline, self.make(&wish)).await;
        let paired = paired.unwrap_or(Err(PairError::Late));
        let paired = match paired {
            Ok(session) => {
                self.guard.note(browser, true);
                Some(Arc::new(session))
            }
            // That t3 has just gone says nothing of this browser.
            Err(error) if error.is_upstream_gone() => {
                self.readiness.doubt();
                None
            }
            Err(error) => {
                self.metrics.pairing_failed(error.cause());
                warn!(
                    user = browser.user(),
                    request_id = %wish.request_id,
                    %error,
                    "pairing failed, the page goes to t3 as it is"
                );
                self.guard.note(browser, false);
                None
            }
        };
        self.tabs.ended(browser, paired.as_ref());
        paired
    }

    async fn make(&self, wish: &Wish) -> Result<Session, PairError> {
        let (start, browser) = (Instant::now(), &wish.browser);
        let (credential, way) = self.mint.mint(&browser.label(), wish.deadline).await?;
        let expected = self.readiness.cookie_name();
        let exchanged = self
            .exchange
            .session(&self.upstream, &credential, browser, &expected);
        let (session, endpoint) = exchanged.await?;
        self.readiness.learn_cookie_name(&session.cookie_name);
        let took = start.elapsed();
        self.metrics.exchanged(endpoint);
        self.metrics.paired(way, took);
        info!(
            user = browser.user(),
            way = way.text(),
            endpoint = endpoint.path(),
            fallback = way == Way::Cli,
            ms = took.as_millis() as u64,
            request_id = %wish.request_id,
            "paired"
        );
        if let Some(upkeep) = self.mint.upkeep() {
            self.tasks.detach(upkeep);
        }
        Ok(session)
    }
}

impl Wish {
    fn of(ask: &Ask<'_>, patience: Duration) -> Self {
        Self {
            browser: ask.browser.clone(),
            request_id: ask.request_id.clone(),
            deadline: ask.arrived + patience,
        }
    }
}

impl PairError {
    /// Is it t3 that is gone, rather than pairing that fails?
    fn is_upstream_gone(&self) -> bool {
        let failure = match self {
            Self::Mint(MintError::Upstream(failure)) => failure,
            Self::Exchange(ExchangeError::Upstream(failure)) => failure,
            _ => return false,
        };
        matches!(failure, Failure::Unreachable(_) | Failure::ConnectTimeout)
    }

    /// What it is counted as.
    fn cause(&self) -> PairingFailure {
        match self {
            Self::Late => PairingFailure::Late,
            Self::Mint(MintError::Upstream(_)) => PairingFailure::NoAnswer,
            Self::Mint(MintError::NoBearer) => PairingFailure::NoSession,
            Self::Mint(MintError::Status(_)) => PairingFailure::ApiRefused,
            Self::Mint(MintError::Unusable) => PairingFailure::ApiUnusable,
            Self::Mint(MintError::Cli(error)) => match error {
                CliError::Busy => PairingFailure::CliBusy,
                CliError::Spawn(_) => PairingFailure::CliMissing,
                CliError::Timeout => PairingFailure::CliTimeout,
                CliError::Failed(..) => PairingFailure::CliFailed,
                CliError::OutputTooLong | CliError::Output(_) | CliError::Unusable => {
                    PairingFailure::CliUnusable
                }
            },
            Self::Exchange(ExchangeError::Upstream(_)) => PairingFailure::NoAnswer,
            Self::Exchange(ExchangeError::Status(_)) => PairingFailure::ExchangeRefused,
            Self::Exchange(ExchangeError::NoCookie) => PairingFailure::NoCookie,
        }
    }
}

/// Says why a browser that was paired twice is paired no more.
fn tell(refusal: GuardRefusal, ask: &Ask<'_>) {
    let (user, request_id) = (ask.browser.user(), ask.request_id);
    match (refusal.is_news, ask.had_session) {
        (true, false) => warn!(
            user,
            %request_id,
            "paired twice, and the browser does not send t3's cookie back: the page goes to t3 \
             as it is"
        ),
        (true, true) => warn!(
            user,
            %request_id,
            "paired twice, and t3 does not accept the cookie that it set: the page goes to t3 as \
             it is"
        ),
        (false, _) => debug!(user, %request_id, cause = refusal.cause.text(), "not paired"),
    }
}
