//! `POST /oauth/token`: exchanges a credential for a Bearer token.

use std::io;

use serde::Serialize;

use super::exchange::Exchange;
use super::session::to_json;
use super::{errors, pairing};
use crate::clock;
use crate::http::form::Form;
use crate::http::response::Response;
use crate::store::pairing::Pairing;
use crate::store::sessions::{Device, NewSession};

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const CREDENTIAL: &str = "urn:t3:params:oauth:token-type:environment-bootstrap";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// How long a token lives that is bound to a key: 1 hour (contract §4).
const BOUND_TTL_MS: u64 = 3_600_000;

#[derive(Serialize)]
struct Token {
    access_token: String,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
}

/// `POST /oauth/token` (contract §4).
pub(super) async fn token(exchange: &mut Exchange<'_>) -> io::Result<Response> {
    let body = exchange.read_body().await?;
    if let Some(refusal) = pairing::refused_other_than(exchange, FORM) {
        return Ok(refusal);
    }
    let form = Form::parse(&body);
    Ok(issued(exchange, &form).unwrap_or_else(|refusal| refusal))
}

fn issued(exchange: &Exchange<'_>, form: &Form) -> Result<Response, Response> {
    let credential = credential(form).ok_or_else(|| Response::empty(400))?;
    let wanted = scopes(exchange, form)?;
    let is_bound = bound(exchange)?;
    let store = &exchange.state.store;
    let invalid = || no_store(errors::unauthorized(errors::INVALID));
    if exchange.state.facts.oauth_spends_for_scopes_only {
        let pairing = store.pairing_of(credential).ok_or_else(invalid)?;
        granted(wanted.clone(), &pairing)?;
    }
    let pairing = store.spend_pairing(credential).ok_or_else(invalid)?;
    let scopes = granted(wanted, &pairing)?;
    let ttl_ms = if is_bound {
        BOUND_TTL_MS
    } else {
        clock::SESSION_TTL_MS
    };
    let session = store.create_session(NewSession {
        label: pairing
            .label
            .or_else(|| form.get("client_label").map(str::to_owned)),
        user_agent: exchange.head.get("user-agent").map(str::to_owned),
        device: Some(Device {
            kind: form.get("client_device_type").map(str::to_owned),
            os: form.get("client_os").map(str::to_owned),
        }),
        ip: Some(exchange.peer.addr.ip().to_canonical().to_string()),
        method: if is_bound {
            "dpop-access-token"
        } else {
            "bearer-access-token"
        },
        scopes: scopes.clone(),
        subject: pairing.subject,
        ttl_ms,
    });
    let (row, access_token) =
        session.map_err(|_| errors::internal("access_token_issuance_failed"))?;
    let left_ms = row.expires_ms.saturating_sub(clock::now_ms());
    let token = Token {
        access_token,
        issued_token_type: ACCESS_TOKEN,
        token_type: if is_bound { "DPoP" } else { "Bearer" },
        expires_in: left_ms / 1000,
        scope: scopes.join(" "),
    };
    Ok(no_store(Response::json(200, to_json(&token))))
}

fn credential(form: &Form) -> Option<&str> {
    let is = |name: &str, value: &str| form.get(name) == Some(value);
    let is_exchange = is("grant_type", GRANT)
        && is("subject_token_type", CREDENTIAL)
        && is("requested_token_type", ACCESS_TOKEN);
    let credential = form.get("subject_token").map(str::trim);
    credential.filter(|credential| is_exchange && !credential.is_empty())
}

/// The scopes that are asked for, if any are. Protocol 2 drops the unknown ones.
fn scopes(exchange: &Exchange<'_>, form: &Form) -> Result<Option<Vec<String>>, Response> {
    let Some(asked) = form.get("scope") else {
        return Ok(None);
    };
    let facts = exchange.state.facts;
    let (known, unknown): (Vec<&str>, Vec<&str>) = asked
        .split_ascii_whitespace()
        .partition(|scope| facts.administrative_scopes.contains(scope));
    let is_error = known.is_empty() || !(unknown.is_empty() || facts.oauth_drops_unknown_scopes);
    match is_error {
        true => Err(errors::invalid_request("invalid_scope")),
        false => Ok(Some(known.into_iter().map(str::to_owned).collect())),
    }
}

/// Whether the token is to be bound to a key. A proof is not verified here: any that looks like a JWT is one.
fn bound(exchange: &Exchange<'_>) -> Result<bool, Response> {
    match exchange.head.get("dpop") {
        None => Ok(false),
        Some(proof) if proof.split('.').count() == 3 => Ok(true),
        Some(_) => Err(errors::invalid_proof()),
    }
}

fn granted(wanted: Option<Vec<String>>, pairing: &Pairing) -> Result<Vec<String>, Response> {
    let Some(mut wanted) = wanted else {
        return Ok(pairing.scopes.clone());
    };
    wanted.retain(|scope| pairing.scopes.contains(scope));
    match wanted.is_empty() {
        true => Err(no_store(errors::invalid_request("scope_not_granted"))),
        false => Ok(wanted),
    }
}

fn no_store(response: Response) -> Response {
    response
        .with("cache-control", "no-store")
        .with("pragma", "no-cache")
}
