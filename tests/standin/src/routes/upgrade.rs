//! `/ws`: who may upgrade, and the refusals.

use std::io;

use super::exchange::{After, Exchange};
use super::{errors, identity};
use crate::http::response::Response;
use crate::store::sessions::SessionRow;
use crate::websocket::{Upgrade, handshake};

/// t3's WebSocket: first the session, then the handshake (contract §5).
pub(super) async fn rpc(exchange: &mut Exchange<'_>) -> io::Result<After> {
    if let Some(number) = exchange.state.facts.orchestration_protocol
        && exchange.target().parameter("orchestrationProtocol") != Some(&number.to_string())
    {
        let refusal = errors::incompatible_protocol(number);
        return exchange.send(&refusal).await;
    }
    let session = session(exchange);
    socket(exchange, session).await
}

/// The same without the query: t3's other sockets, too, such as the preview's stream (contract §5). They are of
/// `session`, or refused.
pub(super) async fn socket(
    exchange: &mut Exchange<'_>,
    session: Result<SessionRow, Response>,
) -> io::Result<After> {
    let session = match session {
        Ok(session) => session,
        Err(refusal) => return exchange.send(&refusal).await,
    };
    exchange.state.connect(&session.id, 0);
    if !exchange.head.wants_upgrade() {
        return exchange.send(&Response::empty(400)).await;
    }
    match handshake::accept(exchange.head, exchange.state.facts.deflates_websocket) {
        Ok(accepted) => {
            exchange.wire.write(&accepted.response).await?;
            let session = Box::new(session);
            Ok(After::Upgrade(Upgrade::Rpc { session }, accepted.deflate))
        }
        Err(refusal) => {
            exchange.state.wedge();
            exchange.wire.write(&refusal).await?;
            Ok(After::Close)
        }
    }
}

/// A probe's WebSocket, without a session.
pub(super) async fn probe(exchange: &mut Exchange<'_>, upgrade: Upgrade) -> io::Result<After> {
    let deflates = exchange.state.facts.deflates_websocket && !matches!(upgrade, Upgrade::Raw);
    let (response, after) = match handshake::accept(exchange.head, deflates) {
        Ok(accepted) => (accepted.response, After::Upgrade(upgrade, accepted.deflate)),
        Err(refusal) => (refusal, After::Close),
    };
    exchange.wire.write(&response).await?;
    Ok(after)
}

/// A ticket, valid or not, has precedence over cookie and header; a blank one is none (contract §5).
pub(super) fn session(exchange: &Exchange<'_>) -> Result<SessionRow, Response> {
    let name = if exchange.faults.old_endpoint {
        "wsToken"
    } else {
        "wsTicket"
    };
    let ticket = exchange.target().parameter(name);
    match ticket.filter(|ticket| !is_blank(ticket)) {
        Some(ticket) => {
            let session = exchange.state.store.session_of_ticket(ticket);
            session.ok_or_else(|| errors::unauthorized(errors::INVALID))
        }
        None => identity::require(exchange),
    }
}

/// That session, if it has the scope.
pub(super) fn session_with(exchange: &Exchange<'_>, scope: &str) -> Result<SessionRow, Response> {
    let session = session(exchange)?;
    match session.may(scope) {
        true => Ok(session),
        false => Err(errors::insufficient_scope(exchange.state.facts, scope)),
    }
}

fn is_blank(value: &str) -> bool {
    value
        .replace("%20", " ")
        .replace('+', " ")
        .trim()
        .is_empty()
}
