//! The rights of people's sessions: what is named for a new one, and that what may do more is revoked.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::rights::Rights;
use crate::access::session_label::{SessionLabel, label_of};
use crate::limited;
use crate::pairing::Pairing;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::grants::{Fit, GrantRules, Grants};
use crate::pairing::keys::ValueKey;
use crate::pairing::mint::MintError;
use crate::pairing::offboarding::{TURNS, in_time};
use crate::pairing::session_request::PairingAttempt;
use crate::pairing::token_claims::session_id;
use crate::process::lru_cache::lru_cache;

/// How long the requests with a session begin no other round after one that has failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The maximum of sessions that are remembered as revoked, or to be.
const MAX_SESSIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// The sessions that were shown by people with lesser rights, by their ids.
#[derive(Debug)]
pub(super) struct Outgrown(Mutex<LruCache<ValueKey, Progress>>);

/// How far the revoking of a session is.
#[derive(Debug, Clone, Copy)]
enum Progress {
    UnderWay,
    Done,
    Failed(Instant),
}

/// What is to be revoked: all sessions of a person, and of that person's devices, that may do more than the
/// rights say; and one that was replaced by a session with the present rights.
#[derive(Debug)]
struct Round {
    identity: Arc<str>,
    rights: Rights,
    replaced: Option<String>,
}

impl Default for Outgrown {
    fn default() -> Self {
        Self(Mutex::new(lru_cache(MAX_SESSIONS)))
    }
}

impl Outgrown {
    /// Is a round to be begun for the session of `key`? Not where one is under way, was, or has just failed.
    fn begin(&self, key: ValueKey) -> bool {
        let mut sessions = self.0.lock();
        let is_due = match sessions.get(&key) {
            None => true,
            Some(Progress::Failed(at)) => at.elapsed() >= RETRY_AFTER,
            Some(Progress::UnderWay | Progress::Done) => false,
        };
        if is_due {
            sessions.put(key, Progress::UnderWay);
        }
        is_due
    }

    fn ended(&self, key: ValueKey, has_failed: bool) {
        let progress = match has_failed {
            true => Progress::Failed(Instant::now()),
            false => Progress::Done,
        };
        self.0.lock().put(key, progress);
    }
}

impl Pairing {
    /// The scopes that are to be named for a session with `rights`; none for a standard one.
    ///
    /// # Errors
    /// Where t3's list of clients, which says what the dispatcher's own session may do, cannot be had, or those
    /// rights are none that this t3 knows.
    pub(super) async fn named_grants(&self, rights: Rights) -> Result<Option<Grants>, MintError> {
        let Some(guest) = self.owners.guest_scopes() else {
            return Ok(None);
        };
        if rights == Rights::Standard {
            return Ok(None);
        }
        let sessions = self.admin_api.clients().await.map_err(MintError::List)?;
        let own = sessions.into_iter().find(|session| session.current);
        let own = own.and_then(|own| own.grants).unwrap_or_default();
        let rules = GrantRules { own: &own, guest };
        let named = rules.named_for(rights);
        named.ok_or(MintError::UnknownScopes(rights.text()))
    }

    /// The person of `identity`, who has `rights` now, shows the session whose cookie has `value`, which may do
    /// more: that one, and all others of the person and of the person's devices that may do more, are revoked, in
    /// the background, and codes for devices from before end. What fails is told, and tried again at a later request.
    pub fn outgrown(self: &Arc<Self>, identity: &Arc<str>, rights: Rights, value: &[u8]) {
        self.device_codes.forget_outgrown(identity, rights);
        let id = str::from_utf8(value).ok().and_then(session_id);
        let Some(id) = id.filter(|_| !self.admin_api.session().is_absent()) else {
            return;
        };
        let key = ValueKey::of(id.as_bytes());
        if self.outgrown.begin(key) {
            let round = Round {
                identity: Arc::clone(identity),
                rights,
                replaced: None,
            };
            let pairing = Arc::clone(self);
            self.tasks.until_drained(async move {
                let has_failed = !pairing.make_round(&round).await;
                pairing.outgrown.ended(key, has_failed);
            });
        }
    }

    /// A session was made for the person of `attempt`: what that one has besides, and may do more, is revoked, and
    /// the session that was replaced, if it had other rights. A t3 of protocol 1 leaves that alive (contract §2).
    pub(super) fn settle_rights(self: &Arc<Self>, attempt: &PairingAttempt) {
        let browser = &attempt.browser;
        let Some(identity) = &browser.identity else {
            return;
        };
        if self.owners.guest_scopes().is_none() {
            return;
        }
        self.device_codes.forget_outgrown(identity, browser.rights);
        if self.admin_api.session().is_absent() {
            return;
        }
        let replaced = attempt.replaced.as_ref().map(|replaced| replaced.value());
        let is_outdated = |value: &&[u8]| self.owners.is_outdated(value, identity, browser.rights);
        let replaced = replaced.filter(is_outdated);
        let replaced = replaced.and_then(|value| session_id(str::from_utf8(value).ok()?));
        if browser.rights == Rights::Administrator && replaced.is_none() {
            return;
        }
        let round = Round {
            identity: Arc::clone(identity),
            rights: browser.rights,
            replaced,
        };
        let pairing = Arc::clone(self);
        self.tasks.until_drained(async move {
            pairing.make_round(&round).await;
        });
    }

    /// Makes `round`, and tells what it has revoked. False if it has failed.
    async fn make_round(&self, round: &Round) -> bool {
        // The semaphore is never closed.
        let _turn = TURNS.acquire().await;
        let revoked = in_time(self.revoke_wide(round)).await;
        let (user, rights) = (&*round.identity, round.rights.text());
        let error = match revoked {
            Ok(0) => return true,
            Ok(sessions) => {
                self.liveness.forget_all();
                limited!(INFO, "sessions with other rights than the person's revoked"; user, rights, sessions);
                return true;
            }
            Err(error) => error,
        };
        limited!(WARN, "sessions with other rights than the person's are not revoked"; user, rights, %error);
        false
    }

    /// Revokes what `round` says; returns how many were.
    async fn revoke_wide(&self, round: &Round) -> Result<usize, AdminApiError> {
        let mut count = 0;
        if let Some(id) = &round.replaced {
            count += usize::from(self.admin_api.revoke(id).await?);
        }
        let sessions = self.admin_api.clients().await?;
        let own = sessions.iter().find(|session| session.current);
        let own = own.ok_or(AdminApiError::Unusable)?.grants.clone();
        let own = own.unwrap_or_default();
        let guest = self.owners.guest_scopes().unwrap_or_default();
        let (rules, owner) = (GrantRules { own: &own, guest }, label_of(&round.identity));
        for session in sessions.iter().filter(|session| !session.current) {
            let label = session.label.as_deref().and_then(SessionLabel::read);
            let Some(label) = label.filter(|label| label.owner == owner) else {
                continue;
            };
            let is_wide = rules.fit(session.grants.as_ref(), round.rights) == Fit::Wide;
            if is_wide && self.admin_api.revoke(&session.id).await? {
                count += 1;
                if let Some(device) = label.device {
                    self.device_revoked(&round.identity, device);
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_is_revoked_once_and_tried_again_a_while_after_a_failure() {
        let sessions = Outgrown::default();
        let [one, other] = [&b"1"[..], b"2"].map(ValueKey::of);
        assert!(
            sessions.begin(one) && !sessions.begin(one),
            "it is under way"
        );
        assert!(sessions.begin(other));
        sessions.ended(one, true);
        sessions.ended(other, false);
        assert!(!sessions.begin(one), "it has just failed");
        tokio::time::advance(RETRY_AFTER).await;
        assert!(sessions.begin(one) && !sessions.begin(other));
        for number in 0..2 * MAX_SESSIONS.get() as u64 {
            sessions.begin(ValueKey::of(&number.to_be_bytes()));
        }
        assert_eq!(sessions.0.lock().len(), MAX_SESSIONS.get());
    }
}
