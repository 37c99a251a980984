//! `POST /api/auth/browser-session`: exchanges a credential for a session.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::errors;
use super::exchange::{Exchange, Reply};
use super::identity;
use super::session::{Session, to_json};
use crate::clock;
use crate::http::response::Response;
use crate::store::pairing::Pairing;
use crate::store::sessions::NewSession;

const JSON: &str = "application/json";

#[derive(Serialize)]
struct Exchanged<'a> {
    authenticated: bool,
    #[serde(flatten)]
    session: Session<'a>,
}

/// `POST /api/auth/browser-session` (contract §2), `.../bootstrap` in v0.0.24 (contract §8).
pub(super) async fn exchange(exchange: &mut Exchange<'_>) -> io::Result<Reply> {
    let body = exchange.read_body().await?;
    exchange
        .wire
        .pause(Duration::from_millis(exchange.faults.auth_delay_ms))
        .await?;
    let credential = match credential(exchange, &body) {
        Ok(credential) => credential,
        Err(refusal) => return Ok(refusal.into()),
    };
    if let Some(status) = exchange.faults.exchange_status {
        if status >= 500 {
            exchange.state.store.spend_pairing(&credential);
        }
        return Ok(forced(status).into());
    }
    let pairing = match exchange.faults.refuse_exchange {
        true => None,
        false => exchange.state.store.spend_pairing(&credential),
    };
    let Some(pairing) = pairing else {
        return Ok(invalid_credential(exchange).into());
    };
    let response = begin_session(exchange, pairing).unwrap_or_else(|_| forced(500));
    Ok(if exchange.faults.exchange_lost {
        Reply::Lost
    } else {
        response.into()
    })
}

fn credential(exchange: &Exchange<'_>, body: &[u8]) -> Result<String, Response> {
    if let Some(refusal) = refused_type(exchange) {
        return Err(refusal);
    }
    if body.is_empty() {
        return Err(Response::empty(400));
    }
    let malformed = exchange.state.facts.malformed_json_status;
    let json: Value = serde_json::from_slice(body).map_err(|_| Response::empty(malformed))?;
    let credential = json
        .get("credential")
        .and_then(Value::as_str)
        .map(str::trim);
    let credential = credential.filter(|credential| !credential.is_empty());
    credential
        .map(str::to_owned)
        .ok_or_else(|| Response::empty(400))
}

pub(super) fn refused_type(exchange: &Exchange<'_>) -> Option<Response> {
    refused_other_than(exchange, JSON)
}

/// 415 for a body of another type; one without a type is JSON.
pub(super) fn refused_other_than(exchange: &Exchange<'_>, wanted: &str) -> Option<Response> {
    let content_type = exchange.head.get("content-type").unwrap_or(JSON);
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let accepted = essence.eq_ignore_ascii_case(wanted);
    (!accepted).then(|| Response::text(415, format!("Unsupported content-type: {essence}")))
}

fn invalid_credential(exchange: &Exchange<'_>) -> Response {
    if exchange.faults.old_endpoint {
        errors::old(401, "Invalid bootstrap credential.")
    } else {
        errors::unauthorized(errors::INVALID)
    }
}

fn forced(status: u16) -> Response {
    match status {
        401 => errors::unauthorized(errors::INVALID),
        500 => errors::internal("browser_session_issuance_failed"),
        _ => Response::empty(status),
    }
}

/// No Max-Age, no Domain, never Secure (contract §2).
pub(super) fn cookie(exchange: &Exchange<'_>, token: &str, expires_ms: u64) -> String {
    let name = exchange.state.cookie_name(exchange.faults);
    let expires = clock::imf_fixdate(expires_ms);
    format!("{name}={token}; Path=/; Expires={expires}; HttpOnly; SameSite=Lax")
}

fn begin_session(exchange: &Exchange<'_>, pairing: Pairing) -> io::Result<Response> {
    if exchange.state.facts.exchange_replaces
        && let Some(replaced) = identity::of_cookie(exchange)
    {
        exchange.state.store.revoke_session(&replaced.id);
    }
    let (row, token) = exchange.state.store.create_session(NewSession {
        label: pairing.label,
        user_agent: exchange.head.get("user-agent").map(str::to_owned),
        ip: Some(exchange.peer.addr.ip().to_canonical().to_string()),
        device: None,
        method: identity::BROWSER_METHOD,
        scopes: pairing.scopes,
        subject: pairing.subject,
        ttl_ms: exchange
            .faults
            .session_ttl_ms
            .unwrap_or(clock::SESSION_TTL_MS),
    })?;
    let session = Session::of(&row, exchange);
    let body = to_json(&Exchanged {
        authenticated: true,
        session,
    });
    let mut response = Response::json(200, body)
        .with("cache-control", "no-store")
        .with("pragma", "no-cache");
    if !exchange.faults.no_set_cookie {
        response = response.with("set-cookie", &cookie(exchange, &token, row.expires_ms));
    }
    let extra = exchange.faults.extra_set_cookie.iter();
    Ok(extra.fold(response, |response, cookie| {
        response.with("set-cookie", cookie)
    }))
}
