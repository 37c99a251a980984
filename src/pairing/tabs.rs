//! Tabs that one browser opens together: they share one pairing and its session.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::pairing::exchange::Session;
use crate::pairing::keys::{BrowserKey, ValueKey};

/// How long a new session is also given to further tabs: about as long as the first tab's response
/// needs to reach the browser, before which they do not have its cookie.
const SHARED_FOR: Duration = Duration::from_secs(2);

/// The maximum of tabs that share a pairing. A browser opens as many restored tabs by and by.
const MAX_TABS: usize = 256;

/// The session that a pairing made, if it made one; why it did not is logged where it failed.
pub(super) type Paired = Option<Arc<Session>>;

/// A pairing that several tabs wait for. It is driven by those that wait, and ends when all of them
/// have gone.
pub(super) type SharedPairing = Shared<BoxFuture<'static, Paired>>;

/// The pairing groups of the last moments.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    groups: Mutex<HashMap<BrowserKey, PairingGroup>>,
}

/// The tabs of one browser that share a pairing.
#[derive(Debug)]
struct PairingGroup {
    pairing: WeakShared<BoxFuture<'static, Paired>>,
    /// The session that it made, and when.
    session: Option<(Arc<Session>, Instant)>,
    /// The pages of its tabs. The same page again is no further tab but a loop.
    pages: Vec<ValueKey>,
}

impl Tabs {
    /// The session that `browser` got a moment ago, for one more tab with another `page`.
    pub(super) fn recently_issued(
        &self,
        browser: &BrowserKey,
        page: ValueKey,
    ) -> Option<Arc<Session>> {
        let mut groups = self.groups.lock();
        let group = groups.get_mut(browser)?;
        let (session, since) = group.session.as_ref()?;
        let is_full = group.pages.len() >= MAX_TABS;
        if since.elapsed() >= SHARED_FOR || is_full || group.pages.contains(&page) {
            return None;
        }
        group.pages.push(page);
        Some(Arc::clone(session))
    }

    /// The pairing of `browser` that is under way, joined for one more tab with `page`.
    pub(super) fn under_way(&self, browser: &BrowserKey, page: ValueKey) -> Option<SharedPairing> {
        let mut groups = self.groups.lock();
        let group = groups.get_mut(browser)?;
        let pairing = group
            .pairing
            .upgrade()
            .filter(|_| group.session.is_none())?;
        if group.pages.len() < MAX_TABS {
            group.pages.push(page);
        }
        Some(pairing)
    }

    /// Begins the `pairing` of `browser` for a tab with `page`; others may join it.
    pub(super) fn begin(
        &self,
        browser: BrowserKey,
        page: ValueKey,
        pairing: impl Future<Output = Paired> + Send + 'static,
    ) -> SharedPairing {
        let mut groups = self.groups.lock();
        groups.retain(|_, group| group.is_recent());
        let pairing = pairing.boxed().shared();
        if let Some(weak) = pairing.downgrade() {
            let group = PairingGroup {
                pairing: weak,
                session: None,
                pages: vec![page],
            };
            groups.insert(browser, group);
        }
        pairing
    }

    /// Notes that the pairing of `browser` has ended, with a session or without.
    pub(super) fn finish(&self, browser: &BrowserKey, session: Option<&Arc<Session>>) {
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
