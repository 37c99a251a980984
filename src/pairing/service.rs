//! A browser asks for a session: joined to another tab's pairing, refused, or paired.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::config::options::PairingConfig;
use crate::metrics::{self, Metrics};
use crate::pairing::error::PairError;
use crate::pairing::exchange::{Exchange, Session};
use crate::pairing::liveness::Check;
use crate::pairing::loop_guard::Guard;
use crate::pairing::mint::{Mint, Way};
use crate::pairing::request::{Ask, Wish, tell};
use crate::pairing::tabs::{Paired, Tabs};
use crate::process::tasks::Tasks;
use crate::upstream::client::Upstream;
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
}

impl Pairing {
    /// `upstream` is t3, and `readiness` knows how it calls its cookie.
    pub fn new(
        config: PairingConfig,
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        let mint = Mint::new(config, Arc::clone(&upstream), Arc::clone(&metrics));
        Self(Arc::new(Inner {
            upstream,
            readiness,
            mint,
            exchange: Exchange::default(),
            guard: Guard::default(),
            tabs: Tabs::default(),
            check: Check::default(),
            metrics,
            tasks,
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
            return Ok(session);
        }
        if let Err(refusal) = inner.guard.admit(browser, ask.arrived) {
            inner.metrics.pairing_refused(refusal.cause());
            tell(refusal, &ask);
            return Err(Arc::new(PairError::Refused(refusal)));
        }
        let pairing = || Arc::clone(inner).pair_once(Wish::of(&ask));
        if browser.identity.is_none() {
            return pairing().await;
        }
        let (start, mut is_first) = (Instant::now(), false);
        let begin = || {
            is_first = true;
            pairing()
        };
        let pairing = inner.tabs.join(browser, ask.target, begin);
        let paired = pairing.await;
        if paired.is_ok() && !is_first {
            inner.joined(&ask, start.elapsed());
        }
        paired
    }

    /// Does t3 say that the session called `value` is none? Remembered for a while if not.
    pub async fn is_dead(&self, value: &[u8]) -> bool {
        let name = self.0.readiness.cookie_name();
        self.0.check.is_dead(&self.0.upstream, &name, value).await
    }

    /// t3 has refused the session called `value`.
    pub fn forget(&self, value: &[u8]) {
        self.0.check.forget(value);
    }
}

impl Inner {
    /// Another tab's pairing served this one too.
    fn joined(&self, ask: &Ask<'_>, took: Duration) {
        self.metrics.paired(metrics::pairing::Way::Joined, took);
        debug!(user = ask.browser.user(), request_id = %ask.request_id, "paired with another tab");
    }

    async fn pair_once(self: Arc<Self>, wish: Wish) -> Paired {
        let browser = &wish.browser;
        let paired = tokio::time::timeout_at(wish.deadline, self.make(&wish)).await;
        let paired = paired.unwrap_or(Err(PairError::Late));
        match &paired {
            // That t3 has just gone says nothing of this browser.
            Err(error) if error.is_upstream_gone() => self.readiness.doubt(),
            Err(error) => {
                if let Some(cause) = error.cause() {
                    self.metrics.pairing_failed(cause);
                }
                warn!(
                    user = browser.user(),
                    request_id = %wish.request_id,
                    %error,
                    "pairing failed, the page goes to t3 as it is"
                );
                self.guard.note(browser, false);
            }
            Ok(_) => self.guard.note(browser, true),
        }
        let paired = paired.map(Arc::new).map_err(Arc::new);
        self.tabs.ended(browser, paired.as_ref().ok());
        paired
    }

    async fn make(&self, wish: &Wish) -> Result<Session, PairError> {
        let (start, browser) = (Instant::now(), &wish.browser);
        let minted = self.mint.mint(&browser.label(), wish.deadline).await;
        let (credential, way) = minted.map_err(PairError::Mint)?;
        let expected = self.readiness.cookie_name();
        let exchanged = self
            .exchange
            .session(&self.upstream, &credential, browser, &expected);
        let (session, endpoint) = exchanged.await.map_err(PairError::Exchange)?;
        self.readiness.learn_cookie_name(&session.cookie_name);
        let took = start.elapsed();
        self.metrics.exchanged(endpoint.counted());
        self.metrics.paired(way.into(), took);
        info!(
            user = browser.user(),
            way = %way,
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
