//! One browser, one session: the tabs that it opens together share one pairing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::pairing::exchange::Session;

/// How long a session is handed to further tabs: about as long as the first tab's answer may need
/// to reach the browser, until which the others come without it.
const HANDED_ON_FOR: Duration = Duration::from_secs(2);

/// What a pairing came to, for every tab that waits for it: why there is no session has been logged.
pub(super) type Paired = Option<Arc<Session>>;

/// The pairings of this moment.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    browsers: Mutex<HashMap<Browser, Together>>,
}

#[derive(Debug)]
struct Together {
    pairing: WeakShared<BoxFuture<'static, Paired>>,
    session: Option<(Arc<Session>, Instant)>,
    /// Which pages it was handed to. The same page again is no further tab but a loop.
    targets: Vec<String>,
}

impl Tabs {
    /// The session that `browser` got a moment ago, for a tab with another page.
    pub(super) fn handed_on(&self, browser: &Browser, target: &str) -> Option<Arc<Session>> {
        let mut browsers = self.browsers.lock();
        let together = browsers.get_mut(browser)?;
        let (session, since) = together.session.as_ref()?;
        if since.elapsed() >= HANDED_ON_FOR || together.targets.iter().any(|held| held == target) {
            return None;
        }
        together.targets.push(target.to_owned());
        Some(Arc::clone(session))
    }

    /// Joins the pairing of `browser` that is under way, or begins the one that `begin` makes.
    /// Whoever waits drives it; if all have left, it ends.
    pub(super) fn join<F>(
        &self,
        browser: &Browser,
        target: &str,
        begin: impl FnOnce() -> F,
    ) -> Shared<BoxFuture<'static, Paired>>
    where
        F: Future<Output = Paired> + Send + 'static,
    {
        let mut browsers = self.browsers.lock();
        if let Some(together) = browsers.get_mut(browser)
            && together.session.is_none()
            && let Some(pairing) = together.pairing.upgrade()
        {
            together.targets.push(target.to_owned());
            return pairing;
        }
        browsers.retain(|_, together| together.is_of_use());
        let pairing = begin().boxed().shared();
        if let Some(weak) = pairing.downgrade() {
            let together = Together {
                pairing: weak,
                session: None,
                targets: vec![target.to_owned()],
            };
            browsers.insert(browser.clone(), together);
        }
        pairing
    }

    /// The pairing of `browser` has ended with `session`, or without.
    pub(super) fn ended(&self, browser: &Browser, session: Option<&Arc<Session>>) {
        let mut browsers = self.browsers.lock();
        match (browsers.get_mut(browser), session) {
            (Some(together), Some(session)) => {
                together.session = Some((Arc::clone(session), Instant::now()));
            }
            _ => drop(browsers.remove(browser)),
        }
    }
}

impl Together {
    fn is_of_use(&self) -> bool {
        match &self.session {
            Some((_, since)) => since.elapsed() < HANDED_ON_FOR,
            None => self.pairing.upgrade().is_some(),
        }
    }
}
