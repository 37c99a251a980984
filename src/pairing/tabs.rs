//! Tabs that one browser opens together: they share one pairing and its session.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::identity::Browser;
use crate::pairing::exchange::Session;

/// How long a new session is also given to further tabs: about as long as the first tab's response
/// needs to reach the browser, before which they do not have its cookie.
const SHARED_FOR: Duration = Duration::from_secs(2);

/// The session that a pairing made, if it made one; why it did not is logged where it failed.
pub(super) type Paired = Option<Arc<Session>>;

/// The pairing groups of the last moments.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    groups: Mutex<HashMap<Browser, PairingGroup>>,
}

/// The tabs of one browser that share a pairing.
#[derive(Debug)]
struct PairingGroup {
    pairing: WeakShared<BoxFuture<'static, Paired>>,
    /// The session that it made, and when.
    session: Option<(Arc<Session>, Instant)>,
    /// The pages of its tabs. The same page again is no further tab but a loop.
    targets: Vec<String>,
}

impl Tabs {
    /// The session that `browser` got a moment ago, for one more tab with another page.
    pub(super) fn recently_issued(&self, browser: &Browser, target: &str) -> Option<Arc<Session>> {
        let mut groups = self.groups.lock();
        let group = groups.get_mut(browser)?;
        let (session, since) = group.session.as_ref()?;
        if since.elapsed() >= SHARED_FOR || group.targets.iter().any(|held| held == target) {
            return None;
        }
        group.targets.push(target.to_owned());
        Some(Arc::clone(session))
    }

    /// Joins the pairing of `browser` that is under way, or begins the one that `begin` makes. It
    /// is driven by those that wait for it, and ends when all of them have gone.
    pub(super) fn join<F>(
        &self,
        browser: &Browser,
        target: &str,
        begin: impl FnOnce() -> F,
    ) -> Shared<BoxFuture<'static, Paired>>
    where
        F: Future<Output = Paired> + Send + 'static,
    {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get_mut(browser)
            && group.session.is_none()
            && let Some(pairing) = group.pairing.upgrade()
        {
            group.targets.push(target.to_owned());
            return pairing;
        }
        groups.retain(|_, group| group.is_recent());
        let pairing = begin().boxed().shared();
        if let Some(weak) = pairing.downgrade() {
            let group = PairingGroup {
                pairing: weak,
                session: None,
                targets: vec![target.to_owned()],
            };
            groups.insert(browser.clone(), group);
        }
        pairing
    }

    /// Notes that the pairing of `browser` has ended, with a session or without.
    pub(super) fn finish(&self, browser: &Browser, session: Option<&Arc<Session>>) {
        let mut groups = self.groups.lock();
        match (groups.get_mut(browser), session) {
            (Some(group), Some(session)) => {
                group.session = Some((Arc::clone(session), Instant::now()));
            }
            _ => drop(groups.remove(browser)),
        }
    }
}

impl PairingGroup {
    fn is_recent(&self) -> bool {
        match &self.session {
            Some((_, since)) => since.elapsed() < SHARED_FOR,
            None => self.pairing.upgrade().is_some(),
        }
    }
}
