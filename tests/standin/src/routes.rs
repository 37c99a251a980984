//! Routes each request to its handler.

mod access;
mod apps;
mod errors;
pub(crate) mod exchange;
mod identity;
mod mint;
mod oauth;
mod orchestration;
mod pairing;
mod probe;
mod session;
mod statics;
mod upgrade;

use std::io;

use crate::http::response::Response;
pub(crate) use apps::{ASSET, UPLOAD};
use exchange::{After, Exchange, Reply};

/// Sends the response that t3 would send, or the one that a probe requests.
pub(crate) async fn respond(exchange: &mut Exchange<'_>) -> io::Result<After> {
    let target = exchange.target();
    // Under /api a hop has to leave them alone, whatever it does to static files.
    let path = target.path.strip_prefix("/api").unwrap_or(target.path);
    if let Some(name) = path.strip_prefix("/standin/")
        && let Some(after) = probe::respond(exchange, name).await?
    {
        return Ok(after);
    }
    exchange.continue_if_expected().await?;
    let response = match (exchange.head.method(), target.route()) {
        ("OPTIONS", _) => preflight(exchange.state.facts.preflight_headers),
        ("GET" | "HEAD", "/ws") => return upgrade::rpc(exchange).await,
        ("GET", route) if apps::is_socket(exchange, route) => {
            let session = apps::socket(exchange, route);
            return upgrade::socket(exchange, session).await;
        }
        (method, route) => match api(exchange, method, route).await? {
            Some(Reply::Response(response)) => response,
            Some(Reply::Lost) => return Ok(After::Drop),
            None => unrouted(exchange),
        },
    };
    exchange.send(&response).await
}

/// `None` where nothing is routed.
async fn api(exchange: &mut Exchange<'_>, method: &str, route: &str) -> io::Result<Option<Reply>> {
    let old = exchange.faults.old_endpoint;
    let facts = exchange.state.facts;
    let method = if method == "HEAD" { "GET" } else { method };
    Ok(Some(match (method, route) {
        ("GET", "/api/auth/session") => session::state(exchange).into(),
        ("GET", "/.well-known/t3/environment") => session::environment(exchange).into(),
        ("POST", "/api/auth/browser-session") if !old => pairing::exchange(exchange).await?,
        ("POST", "/api/auth/bootstrap") if old => pairing::exchange(exchange).await?,
        ("POST", "/api/auth/pairing-token") => mint::mint(exchange).await?.into(),
        ("GET", "/api/auth/pairing-links") => access::pairing_links(exchange).into(),
        ("POST", "/api/auth/pairing-links/revoke") => {
            access::revoke_pairing_link(exchange).await?.into()
        }
        ("GET", "/api/auth/clients") => access::clients(exchange).into(),
        ("POST", "/api/auth/clients/revoke") => access::revoke_client(exchange).await?.into(),
        ("POST", "/api/auth/clients/revoke-others") => access::revoke_others(exchange).into(),
        ("POST", "/api/auth/websocket-ticket") if !old => access::websocket_ticket(exchange).into(),
        ("POST", "/api/auth/ws-token") if old => access::websocket_ticket(exchange).into(),
        ("POST", "/api/connect/link-proof") => access::link_proof(exchange).into(),
        ("POST", "/oauth/token") => oauth::token(exchange).await?.into(),
        ("GET", "/api/orchestration/shell") if facts.has_shell => {
            orchestration::shell(exchange).into()
        }
        ("GET", "/api/orchestration/snapshot") if facts.has_snapshot => {
            orchestration::shell(exchange).into()
        }
        ("GET", route) if facts.has_shell && orchestration::is_thread(facts, route) => {
            orchestration::thread(exchange, route).into()
        }
        ("POST", "/api/observability/v1/traces") => access::traces(exchange).into(),
        (_, "/mcp") if !facts.routes_of_june => access::mcp().into(),
        (method, route) => return apps::respond(exchange, method, route).await,
    }))
}

/// GET falls back to the page; everything else is 404 (contract §6).
fn unrouted(exchange: &Exchange<'_>) -> Response {
    match exchange.head.method() {
        "GET" | "HEAD" => statics::respond(exchange),
        _ => Response::empty(404),
    }
}

/// A preflight of any path gets a response (contract §6).
fn preflight(headers: &str) -> Response {
    Response::empty(204)
        .with("access-control-allow-methods", "GET, POST, OPTIONS")
        .with("access-control-allow-headers", headers)
        .with("access-control-max-age", "600")
}
