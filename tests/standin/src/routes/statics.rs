//! The page and its files; every unknown path is the page (contract §6).

use bytes::Bytes;

use super::exchange::Exchange;
use super::identity;
use crate::bundle::Files;
use crate::http::response::Response;

const FAVICON: &[u8] = include_bytes!("../page/favicon.ico");

/// The response to `GET /attachments/<id>`, whatever the id.
const ATTACHMENT: &str = "an attachment\n";

pub(super) fn respond(exchange: &Exchange<'_>) -> Response {
    let target = exchange.target();
    if target.climbs() {
        return Response::text(400, "Invalid static file path");
    }
    if target.path.starts_with("/attachments/") {
        return attachment(exchange);
    }
    file(exchange.state.bundle.files(), target.path)
}

fn file(files: &Files, path: &str) -> Response {
    let (content_type, body) = match path {
        "/apple-touch-icon.png" => ("image/png", files.icon.clone()),
        "/favicon.ico" => ("image/x-icon", Bytes::from_static(FAVICON)),
        path if path == files.script_path => {
            ("text/javascript; charset=utf-8", files.script.clone())
        }
        path if path == files.style_path => ("text/css; charset=utf-8", files.style.clone()),
        _ => ("text/html; charset=utf-8", files.index.clone()),
    };
    Response::typed(200, content_type, body)
}

/// Public by its headers although a session is needed (contract §6).
fn attachment(exchange: &Exchange<'_>) -> Response {
    if let Err(refusal) = identity::require_scope(exchange, "orchestration:read") {
        return refusal;
    }
    let response = Response::typed(200, "application/octet-stream", ATTACHMENT)
        .with("cache-control", "public, max-age=31536000, immutable");
    // For a HEAD, Node does not know the size (contract §6).
    if exchange.head.method() == "HEAD" {
        response
            .with("etag", "W/\"e-NaN\"")
            .with("last-modified", "Invalid Date")
    } else {
        response
            .with("etag", "W/\"e-19a0c0a0\"")
            .with("last-modified", "Sun, 22 Nov 2026 14:00:00 GMT")
    }
}
