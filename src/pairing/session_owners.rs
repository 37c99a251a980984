//! The owners of sessions: the person that each was made for, and what it may do, by t3's client list.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::access::rights::Rights;
use crate::http_rules::cookies;
use crate::pairing::admin_api::{AdminApi, AdminApiError};
use crate::pairing::client_list::ClientSession;
use crate::pairing::grants::{Fit, GrantRules};
use crate::pairing::session_owner::{Fits, Owner};
use crate::pairing::token_claims;
use crate::process::lru_cache::lru_cache;

/// The maximum of cookies whose owner is remembered: 8 MiB where a client sends the longest that it may.
const MAX_COOKIES: NonZeroUsize = NonZeroUsize::new(2048).expect("not zero");

/// The part of t3's time that the list may take, however many unknown sessions are shown: the next fetch
/// begins after the last one's duration times this.
const IDLE_FACTOR: u32 = 20;

/// The longest time between two fetches for unknown sessions.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after a fetch that failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long a request waits for the list: at the start the t3 CLI takes about 2 s for the session that
/// may fetch it (contract §1).
const PATIENCE: Duration = Duration::from_secs(4);

/// Whether a session is of the person who shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// It was made for this person, or by hand for whoever has it; it may do what the rights say, or not.
    Own(Fit),
    /// The dispatcher made it for somebody else.
    Foreign,
    /// It is no session: no token of t3's has this form.
    NoSession,
    /// It cannot be told, as t3's list cannot be had, and it counts as the person's own.
    Unknown,
    /// It cannot be told, and may do more than the rights say.
    Doubtful,
}

/// Knows whose session is whose.
#[derive(Debug)]
pub struct SessionOwners {
    admin: Arc<AdminApi>,
    /// By the whole cookie: what is known of one says nothing of a forged one with its id.
    cookies: Mutex<LruCache<Box<[u8]>, Owner>>,
    list: Mutex<ClientList>,
    /// What a guest may do, where people have different rights.
    guest_scopes: Option<Arc<[String]>>,
}

/// t3's client list as it was last.
#[derive(Default)]
struct ClientList {
    /// By the sessions' ids.
    owners: HashMap<String, Owner>,
    /// When the last fetch began.
    began: Option<Instant>,
    /// When the next one may begin.
    next: Option<Instant>,
    /// When it failed, if it did.
    failed: Option<Instant>,
    fetching: Option<WeakShared<BoxFuture<'static, ()>>>,
}

impl SessionOwners {
    /// Knows nothing yet; will ask `admin` for t3's client list. `guest_scopes` are what a guest may do, where
    /// people have different rights.
    pub(super) fn new(admin: Arc<AdminApi>, guest_scopes: Option<Arc<[String]>>) -> Self {
        Self {
            admin,
            guest_scopes,
            cookies: Mutex::new(lru_cache(MAX_COOKIES)),
            list: Mutex::default(),
        }
    }

    /// What a guest may do, where people have different rights.
    pub(super) fn guest_scopes(&self) -> Option<&[String]> {
        self.guest_scopes.as_deref()
    }

    /// Notes that the session whose cookie has `value` was made with `label` and `rights`.
    pub(super) fn learn(&self, value: &[u8], label: &str, rights: Rights) {
        let owner = Owner::of_label(Some(label), || match self.guest_scopes {
            Some(_) => Fits::of_rights(rights),
            None => Fits::of_all(),
        });
        self.cookies.lock().put(value.into(), owner);
    }

    /// Is it known that the session whose cookie has `value` is one of the person of `identity`, and may do
    /// something else than `rights` say?
    pub(super) fn is_outdated(&self, value: &[u8], identity: &str, rights: Rights) -> bool {
        let mut cookies = self.cookies.lock();
        let fit = cookies
            .get(value)
            .and_then(|owner| owner.fit(identity, rights));
        fit.is_some_and(|fit| fit != Fit::Exact)
    }

    /// Is it known, without asking t3, that `Cookie` lines have at most one session, and that the person of
    /// `identity` may use it, who has `rights` and it no more? `name` is that of t3's session cookie.
    pub fn is_settled<'a>(
        &self,
        lines: impl Iterator<Item = &'a [u8]>,
        name: &str,
        identity: Option<&str>,
        rights: Rights,
    ) -> bool {
        let is_session = |key: &[u8]| identity.is_some() || key == name.as_bytes();
        let sessions = lines.flat_map(|line| cookies::sessions_in(line, name));
        let mut sessions = sessions.filter(|(key, _)| is_session(key));
        match (sessions.next(), sessions.next(), identity) {
            (None, ..) | (Some(_), None, None) => true,
            (Some((key, value)), None, Some(identity)) => {
                let mut cookies = self.cookies.lock();
                let is_own = match cookies.get(value) {
                    Some(owner) => owner
                        .fit(identity, rights)
                        .is_some_and(|fit| fit != Fit::Wide),
                    // Nothing is bound then.
                    None => {
                        let has_none = self.has_no_list() || self.list.lock().has_just_failed();
                        has_none && !self.is_doubtful(rights)
                    }
                };
                is_own && key == name.as_bytes()
            }
            (Some(_), Some(_), _) => false,
        }
    }

    /// Whether the session whose cookie has `value` is one that the person of `identity` may use, who has
    /// `rights`. t3 is asked for its client list where that is not known.
    pub async fn ask(self: &Arc<Self>, value: &[u8], identity: &str, rights: Rights) -> Ownership {
        let known = self.cookies.lock().get(value).cloned();
        let owner = match known {
            Some(owner) => owner,
            None => match timeout(PATIENCE, self.listed(value)).await {
                Ok(Ok(owner)) => owner,
                Ok(Err(NoList)) | Err(_) if self.is_doubtful(rights) => return Ownership::Doubtful,
                Ok(Err(NoList)) | Err(_) => return Ownership::Unknown,
            },
        };
        // Of what is no token, a client may send any number and length.
        if owner == Owner::Nobody {
            return Ownership::NoSession;
        }
        let fit = owner.fit(identity, rights);
        self.cookies.lock().put(value.into(), owner);
        fit.map_or(Ownership::Foreign, Ownership::Own)
    }

    /// May a session of which nothing is known do more than `rights` say? Not where there is never a list: then
    /// nobody's was made with more than the standard.
    fn is_doubtful(&self, rights: Rights) -> bool {
        self.guest_scopes.is_some()
            && match rights {
                Rights::Administrator => false,
                Rights::Standard => !self.has_no_list(),
                Rights::Guest => true,
            }
    }

    /// Whom `session` of t3's list was made for; `own` is the dispatcher's own there.
    fn owner_of(&self, session: &ClientSession, own: Option<&ClientSession>) -> Owner {
        Owner::of_label(session.label.as_deref(), || {
            let Some(guest) = &self.guest_scopes else {
                return Fits::of_all();
            };
            let own = own.and_then(|own| own.grants.clone()).unwrap_or_default();
            Fits::of(session.grants.as_ref(), &GrantRules { own: &own, guest })
        })
    }

    /// Fetches the list, so that what cannot be had is told at the start and no request waits for it.
    pub async fn warm_up(self: &Arc<Self>) {
        if let Ok((fetching, _)) = self.fetching() {
            fetching.await;
        }
    }

    /// The owner of the session whose cookie has `value`, by t3's list. What is not on a list that was
    /// fetched after it came is no living session: t3 itself refuses it, whoever sends it. What is no
    /// plain token is not left to t3, which takes quotes and percent-encoding off.
    async fn listed(self: &Arc<Self>, value: &[u8]) -> Result<Owner, NoList> {
        let id = str::from_utf8(value).ok();
        let Some(id) = id.and_then(token_claims::session_id) else {
            return Ok(Owner::Nobody);
        };
        let held = || self.list.lock().owners.get(&id).cloned();
        let arrived = Instant::now();
        loop {
            if let Some(owner) = held() {
                return Ok(owner);
            }
            let (fetching, began) = self.fetching()?;
            fetching.await;
            // A fetch that began earlier may have missed a session that was made meanwhile.
            if began >= arrived {
                let owner = held();
                let has_failed = self.list.lock().failed.is_some();
                return match owner {
                    None if has_failed => Err(NoList),
                    owner => Ok(owner.unwrap_or(Owner::Anyone)),
                };
            }
        }
    }

    /// Is there never a session that may fetch it? That is told at the start.
    fn has_no_list(&self) -> bool {
        self.admin.session().is_absent()
    }

    /// The fetch under way or a new one, and when it began or will begin.
    fn fetching(self: &Arc<Self>) -> Result<(Shared<BoxFuture<'static, ()>>, Instant), NoList> {
        let mut list = self.list.lock();
        let now = Instant::now();
        let under_way = list.fetching.as_ref().and_then(WeakShared::upgrade);
        if let (Some(fetching), Some(began)) = (under_way, list.began) {
            return Ok((fetching, began));
        }
        if self.has_no_list() || list.has_just_failed() {
            return Err(NoList);
        }
        let begins = list.next.map_or(now, |next| now.max(next));
        let fetching = Arc::clone(self).fetch(begins).boxed().shared();
        list.fetching = fetching.downgrade();
        list.began = Some(begins);
        Ok((fetching, begins))
    }

    async fn fetch(self: Arc<Self>, begins: Instant) {
        sleep_until(begins).await;
        let fetched = self.admin.clients().await;
        let pause = (begins.elapsed() * IDLE_FACTOR).min(MAX_INTERVAL);
        let mut list = self.list.lock();
        list.fetching = None;
        list.next = Some(Instant::now() + pause);
        match fetched {
            // The admin session is always on it.
            Ok(sessions) if !sessions.is_empty() => {
                let own = sessions.iter().find(|session| session.current);
                let owners = sessions.iter();
                let owners =
                    owners.map(|session| (session.id.clone(), self.owner_of(session, own)));
                list.owners = owners.collect();
                if list.failed.take().is_some() {
                    info!("t3's client list is there: sessions are bound to their persons");
                }
            }
            failed => {
                let error = failed.err().unwrap_or(AdminApiError::Unusable);
                if list.failed.replace(Instant::now()).is_none() {
                    warn!(%error, "t3's client list cannot be had: sessions are not bound to persons");
                }
            }
        }
    }
}

/// t3's list cannot be had.
#[derive(Debug)]
struct NoList;

impl ClientList {
    fn has_just_failed(&self) -> bool {
        self.failed.is_some_and(|at| at.elapsed() < RETRY_AFTER)
    }
}

impl std::fmt::Debug for ClientList {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ClientList({} sessions)", self.owners.len())
    }
}
