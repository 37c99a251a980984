//! An upgrade to a WebSocket: asked of t3, healed once where its session has died, then a tunnel.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;

use crate::http_rules::credentials::Ticket;
use crate::http_rules::{cookies, credentials};
use crate::limited;
use crate::metrics::upstream::UpgradeRefusal;
use crate::pairing::policy::{Liveness, RequestFacts, RouteKind};
use crate::pairing::token_claims;
use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, ErrorFormat, refused};
use crate::router::context::{AfterSwitch, OpenTunnel, RequestContext, RoutedResponse};
use crate::router::heal::with_session;
use crate::router::instance_router::InstanceRouter;
use crate::tunnel::Side;
use crate::tunnel::registry::TunnelPermit;
use crate::tunnel::session::{SessionKey, TunnelSession};
use crate::upstream::api_call::SessionCredential;
use crate::upstream::descriptor::{Protocol, asked_protocol};
use crate::upstream::error::Failure;
use crate::upstream::forward;
use crate::upstream::health_state::Doubt;
use crate::upstream::request_body::Outbound;
use crate::upstream::upgrade::Upgrade;

/// t3's response to an upgrade, and its side of the tunnel where it switched.
pub(super) type Upgraded = (ClientResponse, Option<Side>);

impl InstanceRouter<'_> {
    pub(super) async fn upgrade(&self, context: RequestContext<'_>) -> RoutedResponse {
        let mut facts = self.facts(RouteKind::Upgrade, &context);
        let Some(permit) = self.tunnel_permit(&context) else {
            return too_many(&context).into();
        };
        let deadline = context.arrived + self.services.timing.upgrade_patience;
        let attempt = |limit| self.try_upgrade(&context, limit);
        match self
            .ask_until(&context, deadline, ErrorFormat::Json, attempt)
            .await
        {
            Ok((response, None)) if response.status() == StatusCode::UNAUTHORIZED => {
                facts.liveness = Liveness::Dead;
                self.heal_upgrade(context, &facts, response, permit).await
            }
            Ok(upgraded) => self.opened(&context, upgraded, permit),
            Err(response) => response.into(),
        }
    }

    /// The response to an upgrade that is not healed here, and the tunnel.
    ///
    /// # Errors
    /// The response for a t3 that gave none, or a visitor who may have no more tunnels.
    pub(super) async fn upgrade_as_it_is(
        &self,
        context: &RequestContext<'_>,
    ) -> Result<RoutedResponse, ClientResponse> {
        let permit = self
            .tunnel_permit(context)
            .ok_or_else(|| too_many(context))?;
        let deadline = context.arrived + self.services.timing.upgrade_patience;
        let attempt = |limit| self.try_upgrade(context, limit);
        let asked = self.ask_until(context, deadline, ErrorFormat::Json, attempt);
        Ok(self.opened(context, asked.await?, permit))
    }

    /// A permit for one more tunnel of a visitor, who may have so many.
    fn tunnel_permit(&self, context: &RequestContext<'_>) -> Option<TunnelPermit> {
        self.instance.tunnels.permit(&context.visitor.owner())
    }

    async fn try_upgrade(
        &self,
        context: &RequestContext<'_>,
        limit: Duration,
    ) -> Result<Upgraded, Failure> {
        let request = context.request(Outbound::Empty);
        let upgraded = forward::upgrade(&self.instance.upstream, request, limit);
        Ok(match upgraded.await? {
            Upgrade::Refused(response) => {
                self.note_refusal(context, response.status());
                (response.map(ResponseBody::Relayed), None)
            }
            Upgrade::Switched(response, stream, early) => {
                let response = response.map(|()| ResponseBody::Own(Bytes::new()));
                (response, Some(Side { stream, early }))
            }
        })
    }

    /// Counts an upgrade that t3 refused. A browser does not show its script that a WebSocket got a 426:
    /// only the operator can learn that a tab is of another t3 (contract §5).
    fn note_refusal(&self, context: &RequestContext<'_>, status: StatusCode) {
        let instance = self.instance;
        self.services.metrics.upgrade_refused(match status {
            StatusCode::UPGRADE_REQUIRED => UpgradeRefusal::Protocol,
            StatusCode::UNAUTHORIZED => UpgradeRefusal::Session,
            _ => UpgradeRefusal::Other,
        });
        if status != StatusCode::UPGRADE_REQUIRED || instance.inner.is_some() {
            return;
        }
        let protocol = instance.readiness.protocol().unwrap_or(Protocol::One);
        if protocol == Protocol::One {
            // The first protocol refuses none so: this is another t3 than the one that was probed.
            instance.readiness.doubt(Doubt::Lost);
        }
        let query = context.head.uri.query().unwrap_or_default();
        let asked = asked_protocol(query).unwrap_or_else(|| "none".to_owned());
        let (user, request_id) = (context.visitor.browser.user(), &context.id);
        limited!(
            WARN,
            "t3 refused a WebSocket by 426: the page is of a t3 with another protocol, reload it";
            user, asked, %protocol, %request_id
        );
    }

    /// t3 refused an upgrade: if the policy heals it, it is tried once more with a new session.
    async fn heal_upgrade(
        &self,
        mut context: RequestContext<'_>,
        facts: &RequestFacts,
        refused: ClientResponse,
        permit: TunnelPermit,
    ) -> RoutedResponse {
        let session = match self.heal(&mut context, facts).await {
            Ok(Some(session)) => session,
            Ok(None) => return refused.into(),
            Err(refusal) => return refusal.into(),
        };
        let attempt = |limit| self.try_upgrade(&context, limit);
        match self.ask_once(&context, ErrorFormat::Json, attempt).await {
            Ok((response, side)) => {
                let response = with_session(response, &session);
                self.opened(&context, (response, side), permit)
            }
            Err(response) => response.into(),
        }
    }

    /// t3's response, and the tunnel where it switched.
    fn opened(
        &self,
        context: &RequestContext<'_>,
        (response, side): Upgraded,
        permit: TunnelPermit,
    ) -> RoutedResponse {
        let after_switch = side.map(|upstream| {
            let is_person = context.identity().is_some();
            let registration = permit.register(self.session(&context.head), is_person);
            let instances = &self.services.instances;
            if !instances.is_of(context.whose(), self.instance) {
                // It was taken from this person after the request had come.
                registration.end_access();
            }
            AfterSwitch::Tunnel(Box::new(OpenTunnel {
                upstream,
                address: context.visitor.browser.address,
                request_id: context.id.clone(),
                registration,
                instance: Arc::clone(self.instance),
                in_use: self.instance.usage.begin(),
            }))
        });
        RoutedResponse {
            after_switch,
            ..response.into()
        }
    }

    /// The session by which t3 admitted an upgrade (contract §3, §5), whose token or ticket it has verified by its
    /// 101. t3 can be asked about it again by what is no ticket, and not bound by DPoP. Where another dispatcher
    /// looks after it, nothing is known here.
    fn session(&self, head: &Parts) -> TunnelSession {
        if self.instance.inner.is_some() {
            return TunnelSession::default();
        }
        let session = |token: Option<&str>, proof| TunnelSession {
            key: token
                .and_then(token_claims::session_id)
                .map(|id| SessionKey::of(&id)),
            proof,
        };
        if let Some(ticket) = Ticket::exact(head.uri.query().unwrap_or_default()) {
            return session(Some(ticket), None);
        }
        let of_cookie = |name: &str| {
            let value = cookies::session_cookie(&head.headers, name)?;
            let proof = SessionCredential::cookie(name, value)?;
            Some(session(str::from_utf8(value).ok(), Some(proof)))
        };
        let name = self.instance.readiness.cookie_name();
        of_cookie(&name).unwrap_or_else(|| match credentials::are_stated(&head.headers) {
            true => {
                let proof = credentials::repeatable(&head.headers);
                let proof = proof.and_then(SessionCredential::authorization);
                session(credentials::token(&head.headers), proof)
            }
            // The name of before, which a t3 of protocol 2 may take too (contract §2).
            false => of_cookie(cookies::DEFAULT_COOKIE_NAME).unwrap_or_default(),
        })
    }
}

/// 429 for a visitor who has as many tunnels as one may.
fn too_many(context: &RequestContext<'_>) -> ClientResponse {
    let status = StatusCode::TOO_MANY_REQUESTS;
    refused(status, "too many WebSockets", &context.id)
}
