//! `POST /api/auth/pairing-token`: mints a credential.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::session::to_json;
use super::{errors, identity, pairing};
use crate::clock;
use crate::edition::Facts;
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
        return Ok(forced_mint(exchange.state.facts, status));
    }
    Ok(minted(exchange, &body).unwrap_or_else(|refusal| refusal))
}

fn forced_mint(facts: &Facts, status: u16) -> Response {
    match status {
        401 => errors::unauthorized(errors::INVALID),
        403 => errors::insufficient_scope(facts, "access:write"),
        500 => errors::internal("pairing_credential_issuance_failed"),
        _ => Response::empty(status),
    }
}

/// In the order 401, 400 for the body, 403, 400 for the scopes (contract §4).
fn minted(exchange: &Exchange<'_>, body: &[u8]) -> Result<Response, Response> {
    let facts = exchange.state.facts;
    identity::require(exchange)?;
    let request = asked(exchange, body)?;
    let own = identity::require_scope(exchange, "access:write")?;
    let wanted = request
        .scopes
        .unwrap_or_else(|| scopes::owned(facts.standard_scopes));
    let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let named = wanted.len();
    wanted.sort_by_key(|scope| {
        facts
            .administrative_scopes
            .iter()
            .position(|own| own == scope)
    });
    wanted.dedup();
    if wanted.is_empty() || wanted.len() < named {
        return Err(errors::invalid_request("invalid_scope"));
    }
    if let Some(lacking) = wanted.iter().find(|scope| !own.may(scope)) {
        return Err(errors::insufficient_scope(facts, lacking));
    }
    let created =
        exchange
            .state
            .store
            .create_pairing(request.label, &wanted, clock::PAIRING_TTL_MS);
    let minted = created.map_err(|_| forced_mint(facts, 500))?;
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

/// The body, if it is of the form; names of scopes are part of that.
fn asked(exchange: &Exchange<'_>, body: &[u8]) -> Result<MintRequest, Response> {
    let facts = exchange.state.facts;
    if let Some(refusal) = pairing::refused_type(exchange) {
        return Err(refusal);
    }
    let request: MintRequest = match body {
        // Only v0.0.24 accepts an empty body (contract §8).
        [] if exchange.faults.old_endpoint => MintRequest::default(),
        [] => return Err(Response::empty(400)),
        body => serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Response::empty(400),
            _ => Response::empty(facts.malformed_json_status),
        })?,
    };
    let is_known = |scope: &String| facts.administrative_scopes.contains(&scope.as_str());
    let is_blank = |label: &String| label.trim().is_empty();
    if request.label.as_ref().is_some_and(is_blank)
        || !request.scopes.iter().flatten().all(is_known)
    {
        return Err(Response::empty(400));
    }
    Ok(request)
}
