//! Authentication: the session of a request's credential.

use super::errors;
use super::exchange::Exchange;
use crate::http::head::Head;
use crate::http::response::Response;
use crate::store::sessions::SessionRow;

/// How a browser's session was made.
pub(super) const BROWSER_METHOD: &str = "browser-session-cookie";

/// The credential of a request.
pub(super) enum Identity {
    Missing,
    Invalid,
    Session(Box<SessionRow>),
}

/// Cookie, then Bearer, then DPoP, then the cookie of before; an invalid one has precedence over a valid one behind it
/// (contract §3).
pub(super) fn of(exchange: &Exchange<'_>) -> Identity {
    let cookie_name = exchange.state.cookie_name(exchange.faults);
    let token = cookie(exchange.head, &cookie_name)
        .or_else(|| authorization(exchange.head))
        .or_else(|| legacy_cookie(exchange));
    match token {
        None => Identity::Missing,
        Some(token) => match exchange.state.store.session_of(token) {
            Some(session) => Identity::Session(Box::new(session)),
            None => Identity::Invalid,
        },
    }
}

/// The token of the cookie of before, where that is what counts.
pub(super) fn legacy_token<'a>(exchange: &Exchange<'a>) -> Option<&'a str> {
    let cookie_name = exchange.state.cookie_name(exchange.faults);
    let named = cookie(exchange.head, &cookie_name).or_else(|| authorization(exchange.head));
    match named {
        Some(_) => None,
        None => legacy_cookie(exchange),
    }
}

fn legacy_cookie<'a>(exchange: &Exchange<'a>) -> Option<&'a str> {
    cookie(exchange.head, exchange.state.legacy_cookie_name()?)
}

/// The living browser session whose cookie the request carries, by either name.
pub(super) fn of_cookie(exchange: &Exchange<'_>) -> Option<SessionRow> {
    let cookie_name = exchange.state.cookie_name(exchange.faults);
    let token = cookie(exchange.head, &cookie_name).or_else(|| legacy_cookie(exchange))?;
    let session = exchange.state.store.session_of(token)?;
    (session.method == BROWSER_METHOD).then_some(session)
}

/// The session, or the 401 without one.
pub(super) fn require(exchange: &Exchange<'_>) -> Result<SessionRow, Response> {
    match of(exchange) {
        Identity::Session(session) => Ok(*session),
        Identity::Missing => Err(errors::unauthorized(errors::MISSING)),
        Identity::Invalid => Err(errors::unauthorized(errors::INVALID)),
    }
}

/// The session, if it has that scope.
pub(super) fn require_scope(exchange: &Exchange<'_>, scope: &str) -> Result<SessionRow, Response> {
    let session = require(exchange)?;
    if session.may(scope) {
        Ok(session)
    } else {
        Err(errors::insufficient_scope(exchange.state.facts, scope))
    }
}

/// The first of two cookies of that name counts, without its quotes (contract §3).
fn cookie<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
    let pairs = head
        .all("cookie")
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(own, _)| own.trim() == name);
    let value = named.next()?.1.trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    Some(unquoted.unwrap_or(value)).filter(|value| !value.is_empty())
}

/// A Bearer token, or one bound by DPoP beside a proof. The proof is not verified: that it is there
/// stands for one that is of this request.
fn authorization(head: &Head) -> Option<&str> {
    let (scheme, token) = head.get("authorization")?.split_once(' ')?;
    let is_bound = scheme.eq_ignore_ascii_case("dpop") && head.get("dpop").is_some();
    let is_accepted = is_bound || scheme.eq_ignore_ascii_case("bearer");
    is_accepted
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}
