//! A tab left open finds its session again on its next WebSocket; upgrades in general.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, ORIGIN, SET_COOKIE};
use http::request::Parts;

use super::{Arrival, Dispatch, OpenTunnel, Opened, Outcome, bodiless};
use crate::answers::{Answer, Audience, refused};
use crate::cookies;
use crate::door::Standing;
use crate::origin;
use crate::pairing::{Ask, Session};
use crate::proxy;
use crate::session::Proof;
use crate::tunnel::Side;
use crate::tunnels::Place;
use crate::upstream::Failure;

/// How long an upgrade waits for a t3 that is not up: an open cockpit tries only a few times, and
/// ever more rarely (contract §9).
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

impl Dispatch {
    pub(super) async fn upgrade(&self, arrival: Arrival<'_>) -> Outcome {
        let headers = &arrival.head.headers;
        let is_foreign = headers.contains_key(ORIGIN) && !origin::origin_is_host(headers);
        if is_foreign && self.door.refuses_foreign_upgrades() {
            return refused(StatusCode::FORBIDDEN, "another origin's page", &arrival.id).into();
        }
        let Some(place) = self.tunnels.place(&arrival.visitor.owner()) else {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return refused(status, "too many WebSockets", &arrival.id).into();
        };
        let attempt = |limit| self.try_upgrade(&arrival, limit);
        let deadline = arrival.at + UPGRADE_PATIENCE;
        match self.persist(&arrival, deadline, attempt).await {
            Some(Ok((answer, None))) if answer.status() == StatusCode::UNAUTHORIZED => {
                self.heal_upgrade(arrival, answer, place).await
            }
            Some(Ok((answer, side))) => self.opened(&arrival, answer, side, place),
            Some(Err(failure)) => self.failed(&failure, Audience::Script, &arrival.id).into(),
            None => self.not_up(Audience::Script, &arrival.id).into(),
        }
    }

    async fn try_upgrade(
        &self,
        arrival: &Arrival<'_>,
        limit: Duration,
    ) -> Result<(Answer, Option<Side>), Failure> {
        let _waiting = arrival.client.waiting();
        proxy::upgrade(&self.upstream, bodiless(&arrival.head), limit).await
    }

    /// t3 refused an upgrade: with a new session it is tried once more, if the page that asks is
    /// this origin's own.
    async fn heal_upgrade(
        &self,
        mut arrival: Arrival<'_>,
        refused: Answer,
        place: Place,
    ) -> Outcome {
        if by_ticket(&arrival.head) || !origin::is_own_upgrade(&arrival.head.headers) {
            return refused.into();
        }
        let Some(session) = self.heal(&mut arrival).await else {
            return refused.into();
        };
        let limit = self.upstream.response_timeout();
        match self.try_upgrade(&arrival, limit).await {
            Ok((answer, side)) => {
                let answer = with_session(answer, &session);
                self.opened(&arrival, answer, side, place)
            }
            Err(failure) => self.failed(&failure, Audience::Script, &arrival.id).into(),
        }
    }

    /// What t3 answered to an upgrade, and the tunnel where it agreed.
    fn opened(
        &self,
        arrival: &Arrival<'_>,
        answer: Answer,
        side: Option<Side>,
        place: Place,
    ) -> Outcome {
        let opened = side.map(|upstream| {
            Opened::Tunnel(Box::new(OpenTunnel {
                upstream,
                address: arrival.visitor.browser.address,
                request_id: arrival.id.clone(),
                membership: place.opened(self.proof(&arrival.head)),
            }))
        });
        Outcome { answer, opened }
    }

    /// By what t3 let an upgrade in (contract §3, §5). A ticket cannot be asked for.
    fn proof(&self, head: &Parts) -> Option<Proof> {
        if by_ticket(head) {
            return None;
        }
        let name = self.readiness.cookie_name();
        match cookies::session_cookie(&head.headers, &name) {
            Some(value) => Proof::cookie(&name, value),
            None => head
                .headers
                .get(AUTHORIZATION)
                .cloned()
                .map(Proof::authorization),
        }
    }

    /// A new session for the browser that sent a request, and its cookie in the place of the old.
    pub(super) async fn heal(&self, arrival: &mut Arrival<'_>) -> Option<Arc<Session>> {
        let head = &mut arrival.head;
        let is_welcome = arrival.visitor.standing == Standing::Welcome;
        if !is_welcome || head.headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let old = self.session_of(&head.headers);
        if let Some(value) = old {
            self.pairing.forget(value);
        }
        let ask = Ask {
            browser: &arrival.visitor.browser,
            request_id: &arrival.id,
            target: head.uri.path(),
            arrived: arrival.at,
            had_session: old.is_some(),
        };
        let waiting = arrival.client.waiting();
        let session = self.pairing.pair(ask).await;
        drop(waiting);
        let session = session.ok()?;
        let (name, value) = (&session.cookie_name, &session.cookie_value);
        cookies::replace_session_cookie(&mut head.headers, name, value);
        Some(session)
    }
}

/// A ticket decides alone, whatever cookie is beside it (contract §5).
fn by_ticket(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.contains("wsTicket=") || query.contains("wsToken=")
}

pub(super) fn with_session(mut answer: Answer, session: &Session) -> Answer {
    for line in &session.set_cookies {
        answer.headers_mut().append(SET_COOKIE, line.clone());
    }
    answer
}
