//! What apps ask besides: projects, differences, signed files, the streams of previews and devices (contract §5, §6).

use std::io;

use super::exchange::{Exchange, Reply};
use super::{identity, upgrade};
use crate::http::response::Response;
use crate::store::sessions::SessionRow;

/// The kinds of what signs a path.
pub(crate) const ASSET: &str = "asset-access";
pub(crate) const UPLOAD: &str = "attachment-upload";

const ASSETS: &str = "/api/assets/";
const UPLOADS: &str = "/api/attachments/upload/";
const HUB: &str = "/api/device-hub";

const READ: &str = "orchestration:read";
const OPERATE: &str = "orchestration:operate";

/// What a preview's page and a device show.
const PICTURE: &str = "--frame\r\nContent-Type: image/jpeg\r\n\r\n";

fn is_hub_s(route: &str) -> bool {
    let rest = route.strip_prefix(HUB);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Is there a WebSocket of t3's beside `/ws`?
pub(super) fn is_socket(exchange: &Exchange<'_>, route: &str) -> bool {
    let facts = exchange.state.facts;
    let is_hub_s = is_hub_s(route) && route.ends_with("/ws");
    let is_preview_s = route == "/api/preview-stream/ws";
    facts.orchestration_protocol.is_some()
        && (is_preview_s || is_hub_s && exchange.head.wants_upgrade())
}

/// Whose it is: to change something one must be allowed to operate (contract §4).
pub(super) fn socket(exchange: &Exchange<'_>, route: &str) -> Result<SessionRow, Response> {
    let is_input = exchange.target().parameter("interactive").is_some();
    let scope = match is_hub_s(route) && !route.ends_with("/devices/ws") || is_input {
        true => OPERATE,
        false => READ,
    };
    upgrade::session_with(exchange, scope)
}

/// `None` where nothing is routed.
pub(super) async fn respond(
    exchange: &mut Exchange<'_>,
    method: &str,
    route: &str,
) -> io::Result<Option<Reply>> {
    let facts = exchange.state.facts;
    let is_of_protocol_2 = facts.orchestration_protocol.is_some();
    if facts.routes_of_june {
        return Ok(None);
    }
    let response = match (method, route) {
        ("GET", route) if route.starts_with(ASSETS) => asset(exchange, &route[ASSETS.len()..]),
        ("POST", route) if route.starts_with(UPLOADS) => {
            upload(exchange, &route[UPLOADS.len()..]).await?
        }
        ("POST", "/api/pull-requests/diff") => difference(exchange).await?,
        (method, route) if is_hub_s(route) => hub(exchange, method, &route[HUB.len()..]),
        ("GET", "/api/projects") if is_of_protocol_2 => or_refusal(
            identity::require(exchange).map(|_| Response::json(200, r#"{"projects":[]}"#)),
        ),
        ("GET", "/api/preview-stream/download") if is_of_protocol_2 => {
            let allowed = upgrade::session_with(exchange, READ);
            or_refusal(
                allowed.map(|_| Response::typed(200, "application/octet-stream", "a file\n")),
            )
        }
        ("POST", "/api/preview-stream/upload") if is_of_protocol_2 => {
            let allowed = upgrade::session_with(exchange, OPERATE);
            or_refusal(allowed.map(|_| Response::empty(204)))
        }
        _ => return Ok(None),
    };
    Ok(Some(response.into()))
}

/// A file by a signed path, which needs no session.
fn asset(exchange: &Exchange<'_>, signed: &str) -> Response {
    let store = &exchange.state.store;
    let Some((token, name)) = signed.split_once('/') else {
        return Response::text(404, "Not Found");
    };
    match store.signed(ASSET, token) {
        Some(signed) if signed == name => Response::typed(200, "image/png", "a picture\n")
            .with("cache-control", "private, max-age=3600")
            .with("x-content-type-options", "nosniff"),
        _ => Response::text(404, "Not Found"),
    }
}

/// An upload by a signed path: of exactly the bytes that were signed.
async fn upload(exchange: &mut Exchange<'_>, token: &str) -> io::Result<Response> {
    let Some(bytes) = exchange.state.store.signed(UPLOAD, token) else {
        return Ok(Response::text(404, "Not Found"));
    };
    let stated = exchange.head.get("content-length");
    if stated.is_some_and(|stated| stated != bytes) {
        return Ok(Response::text(
            400,
            "Content-Length must match the upload size.",
        ));
    }
    let body = exchange.read_body().await?;
    Ok(match body.len().to_string() == bytes {
        true => Response::empty(204),
        false => Response::text(400, "The upload has another size."),
    })
}

/// Of a pull request that there is not; what is no question is refused before anything else but no session.
async fn difference(exchange: &mut Exchange<'_>) -> io::Result<Response> {
    let body = exchange.read_body().await?;
    Ok(or_refusal(identity::require(exchange).and_then(|_| {
        let asked: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| Response::empty(400))?;
        match asked["number"].is_u64() {
            true => Ok(Response::json(200, r#"{"diff":""}"#)),
            false => Err(Response::empty(400)),
        }
    })))
}

/// The devices' hub: what t3 does not know of it is 404 before all else in v0.0.42, where no hub runs.
fn hub(exchange: &Exchange<'_>, method: &str, path: &str) -> Response {
    let is_running = exchange.state.facts.orchestration_protocol.is_some();
    let is_known = path == "/api/devices" || path.starts_with("/vendor/serve-");
    if !is_running && !is_known {
        return Response::text(404, "Not Found");
    }
    let scope = if method == "GET" { READ } else { OPERATE };
    or_refusal(upgrade::session_with(exchange, scope).map(|_| {
        match is_running {
            true => Response::typed(200, "multipart/x-mixed-replace; boundary=frame", PICTURE)
                .with("cache-control", "no-store, no-transform"),
            false => Response::text(503, "Device hub is not running"),
        }
    }))
}

fn or_refusal(result: Result<Response, Response>) -> Response {
    result.unwrap_or_else(|refusal| refusal)
}
