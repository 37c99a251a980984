//! One pairing: a credential is minted and exchanged, and what came of it is noted.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::info;

use crate::access::rights::Rights;
use crate::limited;
use crate::metrics::pairing::{GivenRights, Way};
use crate::pairing::Pairing;
use crate::pairing::exchange::Session;
use crate::pairing::grants::Grants;
use crate::pairing::keys::{PersonKey, ValueKey};
use crate::pairing::mint::MintOrder;
use crate::pairing::pair_error::PairError;
use crate::pairing::session_request::PairingAttempt;
use crate::pairing::tabs::{NotPaired, Paired};
use crate::pairing::token_claims::session_id;

impl Pairing {
    /// Pairs once, and notes the outcome for the loop guard and for other tabs.
    pub(super) async fn run(self: Arc<Self>, attempt: PairingAttempt) -> Paired {
        let (browser, key) = (&attempt.browser, &attempt.key);
        let made = timeout_at(attempt.deadline, self.make_session(&attempt)).await;
        let made = made.unwrap_or(Err(PairError::Late));
        let is_away = match made.as_ref().err().and_then(PairError::failure) {
            Some(failure) => self.readiness.explains(failure).await,
            None => false,
        };
        let paired = match made {
            Ok(_) if self.has_left(&attempt) => Err(NotPaired::Unpaired),
            Ok(session) => {
                let value = session.cookie_value.as_bytes();
                self.guard.record(key, Some(ValueKey::of(value)));
                self.settle_rights(&attempt);
                self.bound_sessions();
                self.owners.learn(value, &browser.label(), browser.rights);
                Ok(Arc::new(session))
            }
            // A t3 that has just gone, or is busy, is no failure of this browser's pairing.
            Err(_) if is_away => {
                self.rate.give_back(&PersonKey::of(browser));
                Err(NotPaired::Unpaired)
            }
            Err(error) => {
                self.guard.record(key, None);
                Err(self.failed(&attempt, &error))
            }
        };
        self.tabs.finish(key, paired.as_ref().ok());
        paired
    }

    /// What becomes of a request whose pairing has failed. Who is to have other rights than the standard gets
    /// no session by another way, and no page.
    fn failed(&self, attempt: &PairingAttempt, error: &PairError) -> NotPaired {
        self.metrics.pairing_failed(error.cause());
        let (user, request_id) = (attempt.browser.user(), &attempt.request_id);
        let rights = attempt.browser.rights;
        if rights == Rights::Standard {
            limited!(WARN, "pairing failed, forwarded unpaired"; user, %request_id, %error);
            return NotPaired::Unpaired;
        }
        let rights = rights.text();
        limited!(WARN, "pairing failed, refused"; user, rights, %request_id, %error);
        NotPaired::Refused(error.to_string().into())
    }

    async fn make_session(&self, attempt: &PairingAttempt) -> Result<Session, PairError> {
        let (start, browser) = (Instant::now(), &attempt.browser);
        let (label, user) = (browser.label(), browser.identity.as_deref());
        let grants = self.named_grants(browser.rights).await?;
        let order = MintOrder {
            label: Some(&label),
            user: user.unwrap_or_default(),
            grants: grants.as_ref(),
            deadline: attempt.deadline,
        };
        let (credential, way) = self.mint.mint(&order).await?;
        let expected = self.readiness.cookie_name();
        let replaced = attempt.replaced.as_ref();
        let (exchange, t3) = (&self.exchange, &self.upstream);
        let made = exchange.exchange(t3, &credential, browser, &expected, replaced);
        let (session, endpoint) = made.await?;
        if let Some(replaced) = replaced {
            self.liveness.forget(replaced.value());
        }
        if let Some(named) = &grants {
            self.check_grants(&session, named).await?;
        }
        self.readiness.learn_cookie_name(&session.cookie_name);
        let took = start.elapsed();
        self.metrics.exchanged(endpoint);
        self.metrics.paired(way, took);
        info!(
            user = browser.user(),
            ip = %browser.address,
            way = way.text(),
            endpoint = endpoint.path(),
            fallback = way == Way::Cli,
            ms = took.as_millis() as u64,
            request_id = %attempt.request_id,
            "paired"
        );
        self.tell_rights(attempt);
        if let Some(session) = self.admin_api.session().issued()
            && session.is_due()
        {
            self.tasks.until_drained(Arc::clone(session).renew());
        }
        Ok(session)
    }

    /// Is `session` one that may do exactly what was `named`? A t3 that knows no scopes ignores their names. One
    /// that may do something else is revoked, and no browser has seen it.
    async fn check_grants(&self, session: &Session, named: &Grants) -> Result<(), PairError> {
        let given = session.grants.as_ref();
        if given.is_some_and(|given| given.are_those_of(named)) {
            return Ok(());
        }
        if let Some(id) = session_id(&session.cookie_value) {
            let _ = self.admin_api.revoke(&id).await;
        }
        Err(PairError::OtherGrants)
    }

    /// One line and one count for each session of an administrator and of a guest.
    fn tell_rights(&self, attempt: &PairingAttempt) {
        let browser = &attempt.browser;
        self.metrics.given_rights(match browser.rights {
            Rights::Administrator => GivenRights::Administrator,
            Rights::Guest => GivenRights::Guest,
            Rights::Standard => return,
        });
        info!(
            user = browser.user(),
            ip = %browser.address,
            rights = browser.rights.text(),
            request_id = %attempt.request_id,
            "session with other rights than the standard"
        );
    }
}
