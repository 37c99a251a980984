//! `/ws`: who may upgrade, and the refusals.

use std::io;

use super::exchange::{After, Exchange};
use super::{errors, identity};
use crate::http::response::Response;
use crate::store::sessions::SessionRow;
use crate::websocket::{Upgrade, handshake};

/// t3's WebSocket: first the session, then the handshake (contract §5).
pub(super) async fn rpc(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let session = match session(exchange) {
        Ok(session) => session,
        Err(refusal) => return exchange.send(&refusal).await,
    };
    if !exchange.head.wants_upgrade() {
        return exchange.send(&Response::empty(400)).await;
    }
    match handshake::accept(exchange.head) {
        Ok(response) => {
            exchange.wire.write(&response).await?;
            Ok(After::Upgrade(Upgrade::Rpc {
                session_id: session.id,
            }))
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
    let (response, after) = match handshake::accept(exchange.head) {
        Ok(response) => (response, After::Upgrade(upgrade)),
        Err(refusal) => (refusal, After::Close),
    };
    exchange.wire.write(&response).await?;
    Ok(after)
}

/// A ticket, valid or not, has precedence over cookie and header; a blank one is none (contract §5).
fn session(exchange: &Exchange<'_>) -> Result<SessionRow, Response> {
    let name = if exchange.faults.old_endpoint {
        "wsToken"
    } else {
        "wsTicket"
    };
    let ticket = exchange.target().parameter(name);
    match ticket.filter(|ticket| !ticket.is_empty()) {
        Some(ticket) => {
            let session = exchange.state.session_of_ticket(ticket);
            session.ok_or_else(|| errors::unauthorized(errors::INVALID))
        }
        None => identity::require(exchange),
    }
}
