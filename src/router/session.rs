//! The session that a request goes on with: of several the living one, and only the person's own.

use crate::http_rules::{cookies, withhold};
use crate::pairing::policy::{Liveness, RouteKind};
use crate::pairing::session_owners::Ownership;
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;
use crate::upstream::health_state::HealthState;

/// The maximum of sessions that t3 is asked about for one request. A browser sends two where an older
/// one has another path or domain.
const MAX_CANDIDATES: usize = 4;

impl InstanceRouter<'_> {
    /// Leaves at most one session in a request: of several cookies the one that is alive, and none that
    /// was made for another person. A page or an upgrade without one gets one of its own. Where t3
    /// cannot be asked, the request stays as it is.
    pub(super) async fn settle_session(&self, kind: RouteKind, context: &mut RequestContext<'_>) {
        let readiness = &self.instance.readiness;
        if !cookies::has_session(&context.head.headers, &readiness.cookie_name()) {
            return;
        }
        let _waiting = context.client.waiting();
        if !self.may_ask(kind, context).await {
            return;
        }
        let identity = context.visitor.browser.identity.as_deref();
        let (name, headers) = (readiness.cookie_name(), &mut context.head.headers);
        if identity.is_some() {
            withhold::take_other_sessions_off(headers, &name);
        }
        let values = cookies::session_values(headers, &name);
        if values.is_empty() {
            // A cookie of before is t3's to take or not (contract §2), as on the fast path.
            return;
        }
        let (chosen, foreign) = self.choose(&values, identity).await;
        context.replaced = foreign.map(Box::from);
        match chosen {
            Some(_) if values.len() == 1 => {}
            Some(value) => cookies::replace_session_cookie(headers, &name, value),
            None => withhold::take_session_off(headers, &name),
        }
    }

    /// Is t3 up, so that it can be asked about a session? A page and an upgrade wait for it anyway, and
    /// every request for one that is busy.
    async fn may_ask(&self, kind: RouteKind, context: &RequestContext<'_>) -> bool {
        let timing = &self.services.timing;
        let patience = match kind {
            RouteKind::PageLoad => Some(timing.page_patience),
            RouteKind::Upgrade => Some(timing.upgrade_patience),
            RouteKind::SessionQuery | RouteKind::Other => None,
        };
        let deadline = patience.map(|patience| context.arrived + patience);
        self.state_by(context, deadline).await == HealthState::Up
    }

    /// The first of `values` that is alive and not another person's; else a dead one, which t3 refuses
    /// and the page load or upgrade replaces. Beside it the first that was made for another person.
    async fn choose<'a>(
        &self,
        values: &'a [Box<[u8]>],
        identity: Option<&str>,
    ) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let mut candidates: Vec<&[u8]> = values.iter().map(|value| &**value).collect();
        candidates.retain(|value| !value.is_empty());
        candidates.dedup();
        candidates.truncate(MAX_CANDIDATES);
        let pairing = &self.instance.pairing;
        let (mut dead, mut foreign) = (None, None);
        for value in &candidates {
            if candidates.len() > 1 && pairing.liveness(value).await == Liveness::Dead {
                dead = dead.or(Some(*value));
                continue;
            }
            let ownership = match identity {
                Some(identity) => pairing.owners().ask(value, identity).await,
                None => Ownership::Own,
            };
            match ownership {
                Ownership::Own | Ownership::Unknown => return (Some(value), foreign),
                Ownership::Foreign => foreign = foreign.or(Some(*value)),
                Ownership::NoSession => {}
            }
        }
        (dead, foreign)
    }
}
