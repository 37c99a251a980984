//! `POST /api/auth/pairing-token`: mints a credential.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::session::to_json;
use super::{errors, identity, pairing};
use crate::clock;
use crate::http::response::Response;
use crate::store::scopes;

/// The response has no scopes (contract §4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted<'a> {
    id: &'a str,
    credential: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    expires_at: String,
}

#[derive(Deserialize, Default)]
struct MintRequest {
    label: Option<String>,
    scopes: Option<Vec<String>>,
}

/// `POST /api/auth/pairing-token` (contract §4).
pub(super) async fn mint(exchange: &mut Exchange<'_>) -> io::Result<Response> {
    let body = exchange.read_body().await?;
    exchange
        .wire
        .pause(Duration::from_millis(exchange.faults.auth_delay_ms))
        .await?;
    if let Some(status) = exchange.faults.pairing_token_status {
        return Ok(forced_mint(status));
    }
    if let Err(refusal) = identity::require_scope(exchange, "access:write") {
        return Ok(refusal);
    }
    Ok(minted(exchange, &body).unwrap_or_else(|refusal| refusal))
}

fn forced_mint(status: u16) -> Response {
    match status {
        401 => errors::unauthorized(errors::INVALID),
        403 => errors::insufficient_scope("access:write"),
        500 => errors::internal("pairing_credential_issuance_failed"),
        _ => Response::empty(status),
    }
}

fn minted(exchange: &Exchange<'_>, body: &[u8]) -> Result<Response, Response> {
    let request = match body {
        // Only v0.0.24 accepts an empty body (contract §8).
        [] if exchange.faults.old_endpoint => MintRequest::default(),
        [] => return Err(Response::empty(400)),
        body => serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Response::empty(400),
            _ => Response::empty(500),
        })?,
    };
    if let Some(refusal) = pairing::refused_type(exchange) {
        return Err(refusal);
    }
    let wanted = request
        .scopes
        .unwrap_or_else(|| scopes::owned(&scopes::STANDARD));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    if wanted
        .iter()
        .any(|scope| !scopes::ADMINISTRATIVE.contains(scope))
    {
        return Err(Response::empty(400));
    }
    let created =
        exchange
            .state
            .store
            .create_pairing(request.label, &wanted, clock::PAIRING_TTL_MS);
    let minted = created.map_err(|_| forced_mint(500))?;
    Ok(Response::json(
        200,
        to_json(&Minted {
            id: &minted.id,
            credential: &minted.credential,
            label: minted.label.as_deref(),
            expires_at: clock::iso(minted.expires_ms),
        }),
    ))
}
