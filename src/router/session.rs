//! The session that a request goes on with: of several the living one, only the person's own, and with the
//! person's rights.

use crate::access::identity::Browser;
use crate::http_rules::{cookies, paths, withhold};
use crate::pairing::grants::Fit;
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
    /// was made for another person, or may do more than the person's rights say. A page or an upgrade without one
    /// gets one of its own. Where t3 cannot be asked whose it is, none goes on: t3 may be there a moment later.
    pub(super) async fn settle_session(&self, kind: RouteKind, context: &mut RequestContext<'_>) {
        let readiness = &self.instance.readiness;
        if !cookies::has_session(&context.head.headers, &readiness.cookie_name()) {
            return;
        }
        let _waiting = context.client.waiting();
        let may_ask = self.may_ask(kind, context).await;
        let name = readiness.cookie_name();
        let headers = &mut context.head.headers;
        if !may_ask {
            if context.visitor.browser.identity.is_some() {
                withhold::take_session_off(headers, &name);
            }
            return;
        }
        if context.visitor.browser.identity.is_some() {
            withhold::take_other_sessions_off(headers, &name);
        }
        let values = cookies::session_values(headers, &name);
        if values.is_empty() {
            // A cookie of before is t3's to take or not (contract §2), as on the fast path.
            return;
        }
        let is_page = kind == RouteKind::PageLoad && paths::is_page_path(context.head.uri.path());
        let browser = &context.visitor.browser;
        let (chosen, replaced) = self.choose(&values, browser, is_page).await;
        context.replaced = replaced.map(Box::from);
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

    /// The first of `values` that is alive, not another person's, and may do no more than the rights of the
    /// person of `browser` say; else a dead one, which t3 refuses and the page load or upgrade replaces. A page
    /// load `is_page` does not go on with one that may do less. Beside it the first that makes way for a new
    /// one: it was made for another person, or with other rights.
    async fn choose<'a>(
        &self,
        values: &'a [Box<[u8]>],
        browser: &Browser,
        is_page: bool,
    ) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let mut candidates: Vec<&[u8]> = values.iter().map(|value| &**value).collect();
        candidates.retain(|value| !value.is_empty());
        candidates.dedup();
        candidates.truncate(MAX_CANDIDATES);
        let pairing = &self.instance.pairing;
        let (mut dead, mut replaced) = (None, None);
        for value in &candidates {
            if candidates.len() > 1 && pairing.liveness(value).await == Liveness::Dead {
                dead = dead.or(Some(*value));
                continue;
            }
            let Some(identity) = &browser.identity else {
                return (Some(value), replaced);
            };
            let ownership = pairing.owners().ask(value, identity, browser.rights).await;
            match ownership {
                Ownership::Own(Fit::Narrow) if is_page => replaced = replaced.or(Some(*value)),
                Ownership::Own(Fit::Wide) => {
                    pairing.outgrown(identity, browser.rights, value);
                    replaced = replaced.or(Some(*value));
                }
                Ownership::Own(_) | Ownership::Unknown => return (Some(value), replaced),
                Ownership::Foreign => replaced = replaced.or(Some(*value)),
                Ownership::NoSession | Ownership::Doubtful => {}
            }
        }
        (dead, replaced)
    }
}
