//! An upgrade to a WebSocket: asked of t3, healed once where its session has died, then a tunnel.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::http_rules::cookies;
use crate::pairing::policy::{self, Liveness, RequestFacts, RouteKind};
use crate::responses::body::AnswerBody;
use crate::responses::{Answer, Audience, refused};
use crate::router::context::{OpenTunnel, Opened, Outcome};
use crate::router::heal::with_session;
use crate::router::{Arrival, Router, bodiless};
use crate::tunnel::Side;
use crate::tunnel::registry::TunnelPermit;
use crate::upstream::client::Upgrade;
use crate::upstream::error::Failure;
use crate::upstream::forward;
use crate::upstream::session::Proof;

/// How long an upgrade waits for a t3 that is not up: an open cockpit tries only a few times, and
/// ever more rarely (contract §9).
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

impl Router<'_> {
    pub(super) async fn upgrade(&self, arrival: Arrival<'_>) -> Outcome {
        let mut facts = self.facts(RouteKind::Upgrade, &arrival);
        if !policy::is_upgrade_admitted(&facts) {
            return refused(StatusCode::FORBIDDEN, "another origin's page", &arrival.id).into();
        }
        let Some(permit) = self.services.tunnels.permit(&arrival.visitor.owner()) else {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return refused(status, "too many WebSockets", &arrival.id).into();
        };
        let attempt = |limit| self.try_upgrade(&arrival, limit);
        let deadline = arrival.at + UPGRADE_PATIENCE;
        match self.persist(&arrival, deadline, attempt).await {
            Some(Ok((answer, None))) if answer.status() == StatusCode::UNAUTHORIZED => {
                facts.liveness = Liveness::Dead;
                self.heal_upgrade(arrival, &facts, answer, permit).await
            }
            Some(Ok((answer, side))) => self.opened(&arrival, answer, side, permit),
            Some(Err(failure)) => self
                .services
                .failed(&failure, Audience::Script, &arrival.id)
                .into(),
            None => self.services.not_up(Audience::Script, &arrival.id).into(),
        }
    }

    async fn try_upgrade(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<(Answer, Option<Side>), Failure> {
        let _waiting = arrival.client.waiting();
        let upgraded = forward::upgrade(&self.services.upstream, bodiless(&arrival.head), limit);
        Ok(match upgraded.await? {
            Upgrade::Refused(answer) => (answer.map(AnswerBody::Relayed), None),
            Upgrade::Switched(answer, stream, early) => {
                let answer = answer.map(|()| AnswerBody::Own(Bytes::new()));
                (answer, Some(Side { stream, early }))
            }
        })
    }

    /// t3 refused an upgrade: if the policy heals it, it is tried once more with a new session.
    async fn heal_upgrade(
        &self,
        mut arrival: Arrival<'_>,
        facts: &RequestFacts,
        refused: Answer,
        permit: TunnelPermit,
    ) -> Outcome {
        let Some(session) = self.heal(&mut arrival, facts).await else {
            return refused.into();
        };
        let limit = self.services.upstream.response_timeout();
        match self.try_upgrade(&arrival, limit).await {
            Ok((answer, side)) => {
                let answer = with_session(answer, &session);
                self.opened(&arrival, answer, side, permit)
            }
            Err(failure) => self
                .services
                .failed(&failure, Audience::Script, &arrival.id)
                .into(),
        }
    }

    /// What t3 answered to an upgrade, and the tunnel where it agreed.
    fn opened(
        &self,
        arrival: &Arrival<'_>,
        answer: Answer,
        side: Option<Side>,
        permit: TunnelPermit,
    ) -> Outcome {
        let opened = side.map(|upstream| {
            Opened::Tunnel(Box::new(OpenTunnel {
                upstream,
                address: arrival.visitor.browser.address,
                request_id: arrival.id.clone(),
                registration: permit.register(self.proof(&arrival.head)),
            }))
        });
        Outcome { answer, opened }
    }

    /// By what t3 let an upgrade in (contract §3, §5). A ticket cannot be asked for.
    fn proof(&self, head: &Parts) -> Option<Proof> {
        if policy::has_ticket(&head.uri) {
            return None;
        }
        let name = self.services.readiness.cookie_name();
        match cookies::session_cookie(&head.headers, &name) {
            Some(value) => Proof::cookie(&name, value),
            None => head
                .headers
                .get(AUTHORIZATION)
                .cloned()
                .map(Proof::authorization),
        }
    }
}
