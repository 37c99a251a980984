//! `GET /api/auth/session` and the environment: public routes.

use serde::Serialize;

use super::exchange::Exchange;
use super::identity::{self, Identity};
use super::pairing;
use crate::clock;
use crate::http::response::Response;
use crate::store::scopes;
use crate::store::sessions::SessionRow;

/// In the order of contract §3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionState<'a> {
    authenticated: bool,
    auth: Auth<'a>,
    #[serde(flatten)]
    session: Option<Session<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Auth<'a> {
    policy: &'static str,
    bootstrap_methods: [&'static str; 1],
    session_methods: [&'static str; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    session_cookie_name: Option<&'a str>,
}

/// The description of a session; v0.0.24 has a role in place of scopes (contract §8).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<&'a [String]>,
    session_method: &'a str,
    expires_at: String,
}

impl<'a> Session<'a> {
    pub(super) fn of(row: &'a SessionRow, exchange: &Exchange<'_>) -> Session<'a> {
        let (old, facts) = (exchange.faults.old_endpoint, exchange.state.facts);
        Session {
            role: old.then(|| row.role()),
            scopes: (!old).then(|| scopes::shown(&row.scopes, facts)),
            permissions: scopes::permissions(&row.scopes, facts),
            session_method: &row.method,
            expires_at: clock::iso(row.expires_ms),
        }
    }
}

/// Always 200, unless a fault is set.
pub(super) fn state(exchange: &Exchange<'_>) -> Response {
    if let Some(status) = exchange.faults.session_status {
        return Response::empty(status);
    }
    let cookie_name = exchange.state.cookie_name(exchange.faults);
    let row = match identity::of(exchange) {
        Identity::Session(row) => Some(row),
        Identity::Missing | Identity::Invalid => None,
    };
    let remote = exchange.state.is_remote();
    let state = SessionState {
        authenticated: row.is_some(),
        auth: Auth {
            policy: if remote {
                "remote-reachable"
            } else {
                "loopback-browser"
            },
            bootstrap_methods: ["one-time-token"],
            session_methods: [
                "browser-session-cookie",
                "bearer-access-token",
                "dpop-access-token",
            ],
            session_cookie_name: (!exchange.faults.hide_cookie_name).then_some(&cookie_name),
        },
        session: row.as_ref().map(|row| Session::of(row, exchange)),
    };
    let response = Response::json(200, to_json(&state));
    match (row, identity::legacy_token(exchange)) {
        // The session goes on under the new name (contract §3).
        (Some(row), Some(token)) if row.method == identity::BROWSER_METHOD => response
            .with("cache-control", "no-store")
            .with("pragma", "no-cache")
            .with(
                "set-cookie",
                &pairing::cookie(exchange, token, row.expires_ms),
            ),
        _ => response,
    }
}

/// `GET /.well-known/t3/environment`: the health probe (contract §6).
pub(super) fn environment(exchange: &Exchange<'_>) -> Response {
    let id = &exchange.state.environment_id;
    let facts = exchange.state.facts;
    let protocol = facts
        .orchestration_protocol
        .map(|number| format!(r#""orchestrationProtocolVersion":{number},"#))
        .unwrap_or_default();
    let (version, capabilities) = (facts.server_version, facts.capabilities);
    Response::json(
        200,
        format!(
            r#"{{"environmentId":"{id}","label":"standin","platform":{{"os":"linux","arch":"x64"}},"serverVersion":"{version}",{protocol}"capabilities":{capabilities}}}"#
        ),
    )
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers serialise")
}
