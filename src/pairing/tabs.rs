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
pub(super) type Paired = Result<Arc<Session>, NotPaired>;

/// What becomes of a request that got no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPaired {
    /// It goes on to t3 without one.
    Unpaired,
    /// It is refused, for this reason: a session with the person's rights cannot be had, and there is no other.
    Refused(Arc<str>),
}

/// A pairing that several tabs wait for. It is driven by those that wait, and ends when all of them
/// have gone.
pub(super) type SharedPairing = Shared<BoxFuture<'static, Paired>>;

/// What a tab is in its browser's pairing.
pub(super) enum Turn {
    /// Another tab got this session a moment ago.
    Issued(Arc<Session>),
    /// Another tab began this pairing.
    Joined(SharedPairing),
    /// This tab began it.
    Begun(SharedPairing),
}

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
        self.groups.lock().get_mut(browser)?.issued_to(page)
    }

    /// The pairing of `browser` for a tab with `page`: what another tab has or waits for, else the one
    /// that `begin` makes, which others may then join. An error of `begin` is returned.
    ///
    /// Looking and beginning are one step: of two tabs at once one begins.
    pub(super) fn join_or_begin<E>(
        &self,
        browser: &BrowserKey,
        page: ValueKey,
        begin: impl FnOnce() -> Result<BoxFuture<'static, Paired>, E>,
    ) -> Result<Turn, E> {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get_mut(browser) {
            if let Some(session) = group.issued_to(page) {
                return Ok(Turn::Issued(session));
            }
            if let Some(pairing) = group.joined_by(page) {
                return Ok(Turn::Joined(pairing));
            }
        }
        let pairing = begin()?.shared();
        groups.retain(|_, group| group.is_recent());
        if let Some(weak) = pairing.downgrade() {
            let group = PairingGroup {
                pairing: weak,
                session: None,
                pages: vec![page],
            };
            groups.insert(*browser, group);
        }
        Ok(Turn::Begun(pairing))
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
    /// The session that it made a moment ago, for one more tab with another `page`.
    fn issued_to(&mut self, page: ValueKey) -> Option<Arc<Session>> {
        let (session, since) = self.session.as_ref()?;
        let is_full = self.pages.len() >= MAX_TABS;
        if since.elapsed() >= SHARED_FOR || is_full || self.pages.contains(&page) {
            return None;
        }
        self.pages.push(page);
        Some(Arc::clone(session))
    }

    /// The pairing that is under way, joined by one more tab with `page`.
    fn joined_by(&mut self, page: ValueKey) -> Option<SharedPairing> {
        let pairing = self.pairing.upgrade().filter(|_| self.session.is_none())?;
        if self.pages.len() < MAX_TABS {
            self.pages.push(page);
        }
        Some(pairing)
    }

    fn is_recent(&self) -> bool {
        match &self.session {
            Some((_, since)) => since.elapsed() < SHARED_FOR,
            None => self.pairing.upgrade().is_some(),
        }
    }
}
