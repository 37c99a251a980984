//! A browser asks for a session: joined to another tab's pairing, refused, or paired.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::check::Check;
use super::cli::Cli;
use super::error::PairError;
use super::exchange::{Exchange, Session};
use super::guard::{Guard, Refusal};
use super::mint::{Mint, Way};
use super::tabs::{Paired, Tabs};
use crate::browser::Browser;
use crate::config::PairingConfig;
use crate::readiness::Readiness;
use crate::tasks::Tasks;
use crate::upstream::Upstream;

/// How long a person waits for a pairing at most: the proxy in front gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

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
    tasks: Tasks,
}

/// A request for a session.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Who is to have it.
    pub browser: &'a Browser,
    /// The page, or what else, that was asked for.
    pub target: &'a str,
    /// When the request came.
    pub arrived: Instant,
    /// Did it bring a session, which turned out to be dead?
    pub had_session: bool,
}

impl Pairing {
    /// `upstream` is t3, and `readiness` knows how it calls its cookie.
    pub fn new(
        config: PairingConfig,
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        tasks: Tasks,
    ) -> Self {
        let mint = Mint::new(config.mint, Arc::clone(&upstream), Cli::new(config.cli));
        Self(Arc::new(Inner {
            upstream,
            readiness,
            mint,
            exchange: Exchange::default(),
            guard: Guard::default(),
            tabs: Tabs::default(),
            check: Check::default(),
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
            debug!("paired, with the session of a moment ago");
            return Ok(session);
        }
        if let Err(refusal) = inner.guard.admit(browser, ask.arrived) {
            tell(refusal, &ask);
            return Err(Arc::new(PairError::Refused(refusal)));
        }
        let pairing = || Arc::clone(inner).pair_once(browser.clone(), ask.arrived);
        if browser.identity.is_none() {
            return pairing().await;
        }
        inner.tabs.join(browser, ask.target, pairing).await
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
    async fn pair_once(self: Arc<Self>, browser: Browser, arrived: Instant) -> Paired {
        let deadline = arrived + PATIENCE;
        let paired = tokio::time::timeout_at(deadline, self.make(&browser, deadline)).await;
        let paired = paired.unwrap_or(Err(PairError::Late));
        match &paired {
            // That t3 has just gone says nothing of this browser.
            Err(error) if error.is_upstream_gone() => self.readiness.doubt(),
            Err(error) => {
                warn!(user = browser.user(), %error, "pairing failed, the page goes to t3 as it is");
                self.guard.note(&browser, false);
            }
            Ok(_) => self.guard.note(&browser, true),
        }
        let paired = paired.map(Arc::new).map_err(Arc::new);
        self.tabs.ended(&browser, paired.as_ref().ok());
        paired
    }

    async fn make(&self, browser: &Browser, deadline: Instant) -> Result<Session, PairError> {
        let start = Instant::now();
        let minted = self.mint.mint(&browser.label(), deadline).await;
        let (credential, way) = minted.map_err(PairError::Mint)?;
        let expected = self.readiness.cookie_name();
        let exchanged = self
            .exchange
            .session(&self.upstream, &credential, browser, &expected);
        let (session, endpoint) = exchanged.await.map_err(PairError::Exchange)?;
        self.readiness.learn_cookie_name(&session.cookie_name);
        info!(
            user = browser.user(),
            way = %way,
            endpoint = endpoint.path(),
            fallback = way == Way::Cli,
            ms = start.elapsed().as_millis() as u64,
            "paired"
        );
        if let Some(upkeep) = self.mint.upkeep() {
            self.tasks.detach(upkeep);
        }
        Ok(session)
    }
}

/// Says why a browser that was paired twice is paired no more.
fn tell(refusal: Refusal, ask: &Ask<'_>) {
    let user = ask.browser.user();
    match (refusal, ask.had_session) {
        (Refusal::Loop { is_news: true }, false) => warn!(
            user,
            "paired twice, and the browser does not send t3's cookie back: the page goes to t3 \
             as it is"
        ),
        (Refusal::Loop { is_news: true }, true) => warn!(
            user,
            "paired twice, and t3 does not accept the cookie that it set: the page goes to t3 as \
             it is"
        ),
        _ => debug!(user, ?refusal, "not paired"),
    }
}
