//! Routes for sessions: pairing links, clients, tickets.

use std::io;

use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::session::to_json;
use super::{errors, identity};
use crate::clock;
use crate::http::response::{Payload, Response};
use crate::store::client::Client;
use crate::store::scopes;
use crate::store::sessions::SessionRow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    session_id: &'a str,
    subject: &'a str,
    scopes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<&'a [String]>,
    method: &'a str,
    client: Client<'a>,
    issued_at: String,
    expires_at: String,
    last_connected_at: Option<String>,
    connected: bool,
    current: bool,
}

#[derive(Deserialize)]
struct LinkId {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientId {
    session_id: String,
}

/// The newest first; some t3 lists the credentials in clear (contract §4).
pub(super) fn pairing_links(exchange: &Exchange<'_>) -> Response {
    or_refusal(identity::require_scope(exchange, "access:read").map(|_| {
        let pairings = exchange.state.store.pairings();
        let listed: Vec<_> = pairings
            .iter()
            .rev()
            .map(|pairing| pairing.listed(exchange.state.facts, true))
            .collect();
        Response::json(200, to_json(&listed))
    }))
}

pub(super) async fn revoke_pairing_link(exchange: &mut Exchange<'_>) -> io::Result<Response> {
    let body = exchange.read_body().await?;
    Ok(or_refusal(
        identity::require_scope(exchange, "access:write").map(|_| {
            match serde_json::from_slice::<LinkId>(&body) {
                Ok(link) => revoked(exchange.state.store.revoke_pairing(&link.id)),
                Err(_) => Response::empty(400),
            }
        }),
    ))
}

pub(super) fn clients(exchange: &Exchange<'_>) -> Response {
    if let Some(status) = exchange.faults.clients_status {
        return Response::empty(status);
    }
    if let Some(body) = &exchange.faults.clients_body {
        return Response::json(200, body.clone());
    }
    or_refusal(identity::require_scope(exchange, "access:read").map(|own| {
        let mut rows = exchange.state.store.sessions();
        rows.retain(SessionRow::is_live);
        // One's own first, then the newest.
        rows.reverse();
        rows.sort_by_key(|row| row.id != own.id);
        let listed: Vec<_> = rows.iter().map(|row| listed(exchange, row, &own)).collect();
        Response::json(200, to_json(&listed))
    }))
}

pub(super) async fn revoke_client(exchange: &mut Exchange<'_>) -> io::Result<Response> {
    let body = exchange.read_body().await?;
    Ok(or_refusal(
        identity::require_scope(exchange, "access:write").map(|own| {
            match serde_json::from_slice::<ClientId>(&body) {
                Ok(client) if client.session_id == own.id => {
                    errors::operation_forbidden("current_session_revoke_not_allowed")
                }
                Ok(client) => revoked(exchange.state.store.revoke_session(&client.session_id)),
                Err(_) => Response::empty(400),
            }
        }),
    ))
}

pub(super) fn revoke_others(exchange: &Exchange<'_>) -> Response {
    or_refusal(
        identity::require_scope(exchange, "access:write").map(|own| {
            let store = &exchange.state.store;
            let others = store.sessions().into_iter().filter(|row| row.id != own.id);
            let count = others.filter(|row| store.revoke_session(&row.id)).count();
            Response::json(200, format!(r#"{{"revokedCount":{count}}}"#))
        }),
    )
}

/// For any session; `ws-token` and its field's name are v0.0.24's (contract §4, §8).
pub(super) fn websocket_ticket(exchange: &Exchange<'_>) -> Response {
    or_refusal(identity::require(exchange).map(|own| {
        let (ticket, expires_ms) = exchange.state.store.issue_ticket(own.id);
        let field = if exchange.faults.old_endpoint {
            "token"
        } else {
            "ticket"
        };
        let expires_at = clock::iso(expires_ms);
        Response::json(
            200,
            format!(r#"{{"{field}":"{ticket}","expiresAt":"{expires_at}"}}"#),
        )
        .with("cache-control", "no-store")
        .with("pragma", "no-cache")
    }))
}

/// Whoever has a session may leave its traces; in June everybody (contract §6).
pub(super) fn traces(exchange: &Exchange<'_>) -> Response {
    if exchange.state.facts.routes_of_june {
        return Response::empty(204);
    }
    let allowed = identity::require_scope(exchange, "orchestration:operate");
    or_refusal(allowed.map(|_| Response::empty(204)))
}

/// Whoever has none of MCP's own tokens, which is everybody here (contract §6).
pub(super) fn mcp() -> Response {
    Response::new(401, Payload::Sized(MCP_REFUSAL.into()))
        .with("cache-control", "no-store")
        .with("www-authenticate", "Bearer")
        .with("content-type", "application/json")
        .with("content-length", &MCP_REFUSAL.len().to_string())
        .with("access-control-allow-origin", "*")
}

const MCP_REFUSAL: &str = r#"{"error":"invalid_mcp_credential","message":"A valid provider-scoped MCP bearer credential is required."}"#;

/// 400 as soon as the request looks forwarded (contract §6); in September a session comes first.
pub(super) fn link_proof(exchange: &Exchange<'_>) -> Response {
    if !exchange.state.facts.routes_of_june {
        return or_refusal(identity::require(exchange).map(|_| Response::empty(400)));
    }
    let forwarded = ["x-forwarded-host", "x-forwarded-proto"];
    if forwarded
        .iter()
        .any(|name| exchange.head.get(name).is_some())
    {
        return Response::json(
            400,
            r#"{"_tag":"EnvironmentHttpBadRequestError","message":"forwarded"}"#,
        );
    }
    or_refusal(identity::require(exchange).map(|_| Response::json(200, "{}")))
}

fn listed<'a>(exchange: &Exchange<'_>, row: &'a SessionRow, own: &SessionRow) -> Listed<'a> {
    Listed {
        session_id: &row.id,
        subject: &row.subject,
        scopes: scopes::shown(&row.scopes, exchange.state.facts),
        permissions: scopes::permissions(&row.scopes, exchange.state.facts),
        method: &row.method,
        client: row.client(),
        issued_at: clock::iso(row.issued_ms),
        expires_at: clock::iso(row.expires_ms),
        last_connected_at: exchange
            .state
            .store
            .last_connection_ms(&row.id)
            .map(clock::iso),
        connected: exchange.state.is_connected(&row.id),
        current: row.id == own.id,
    }
}

fn revoked(revoked: bool) -> Response {
    Response::json(200, format!(r#"{{"revoked":{revoked}}}"#))
}

fn or_refusal(result: Result<Response, Response>) -> Response {
    result.unwrap_or_else(|refusal| refusal)
}
