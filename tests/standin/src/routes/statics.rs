//! The page and its files; every unknown path is the page (contract §6).

use bytes::Bytes;

use super::exchange::Exchange;
use super::identity;
use crate::bundle::Files;
use crate::clock;
use crate::edition::{Caching, Facts};
use crate::http::head::Head;
use crate::http::response::{Payload, Response};

const FAVICON: &[u8] = include_bytes!("../page/favicon.ico");
const MANIFEST: &str = include_str!("../page/manifest.webmanifest");

/// The response to `GET /attachments/<id>`, whatever the id.
const ATTACHMENT: &str = "an attachment\n";

/// Files that no real t3 has, to fill a cache with: `/assets/filler-<name>.woff2`, whatever the name, each
/// with another content.
const FILLER: &str = "/assets/filler-";
const FILLER_BYTES: usize = 2 * 1024 * 1024 - 2048;

/// When all files were written: 2026-09-23T00:00:00.123Z.
const MODIFIED_MS: u64 = 1_790_121_600_123;

/// A file of the page.
struct File {
    content_type: &'static str,
    body: Bytes,
    /// Its name carries a hash of its content.
    is_hashed: bool,
}

pub(super) fn respond(exchange: &Exchange<'_>) -> Response {
    let target = exchange.target();
    let facts = exchange.state.facts;
    if target.climbs() {
        return Response::text(400, "Invalid static file path");
    }
    if facts.routes_of_june && target.path.starts_with("/attachments/") {
        return attachment(exchange);
    }
    let files = exchange.state.bundle.files();
    let (file, caching) = (file(files, target.path, facts), facts.caching);
    match (file, caching) {
        (Some(file), Caching::Silent) => Response::typed(200, file.content_type, file.body),
        (Some(file), caching) => validated(exchange.head, file, caching),
        (None, Caching::Silent) => page(files.index.clone(), &[]),
        (None, _) => page(files.page.clone(), &[("cache-control", NO_CACHE)]),
    }
}

const NO_CACHE: &str = "no-cache";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn file(files: &Files, path: &str, facts: &Facts) -> Option<File> {
    let is_june = facts.caching == Caching::Silent;
    let of_june = |june: &'static str, later: &'static str| if is_june { june } else { later };
    let is_hashed = path == files.script_path || path == files.style_path;
    let (content_type, body) = match path {
        "/apple-touch-icon.png" => ("image/png", files.icon.clone()),
        "/favicon-32x32.png" if facts.has_manifest => ("image/png", files.icon.clone()),
        "/favicon.ico" => {
            let kind = of_june("image/x-icon", "image/vnd.microsoft.icon");
            (kind, Bytes::from_static(FAVICON))
        }
        "/manifest.webmanifest" if facts.has_manifest => (
            "application/manifest+json",
            Bytes::from_static(MANIFEST.as_bytes()),
        ),
        path if path == files.script_path => {
            let kind = of_june("text/javascript; charset=utf-8", "text/javascript");
            (kind, files.script.clone())
        }
        path if path == files.style_path => {
            let kind = of_june("text/css; charset=utf-8", "text/css");
            (kind, files.style.clone())
        }
        path if path.starts_with(FILLER) => ("font/woff2", filler(path)),
        _ => return None,
    };
    let is_hashed = is_hashed || path.starts_with(FILLER);
    Some(File {
        content_type,
        body,
        is_hashed,
    })
}

fn filler(path: &str) -> Bytes {
    let mut body = path.as_bytes().to_vec();
    body.resize(FILLER_BYTES, 7);
    body.into()
}

/// HTML has no validator, and is never 304.
fn page(body: Bytes, lines: &[(&str, &str)]) -> Response {
    entity(
        Response::new(200, Payload::Sized(body.clone())),
        lines,
        "text/html; charset=utf-8",
        &body,
    )
}

/// With validators, or 304 where one of the request's still holds.
fn validated(request: &Head, file: File, caching: Caching) -> Response {
    let cache_control = match caching {
        Caching::ImmutableHashed if file.is_hashed => IMMUTABLE,
        _ => NO_CACHE,
    };
    let etag = format!("W/\"{:x}-{MODIFIED_MS:x}\"", file.body.len());
    let modified = clock::imf_fixdate(MODIFIED_MS);
    let lines = [
        ("cache-control", cache_control),
        ("etag", etag.as_str()),
        ("last-modified", modified.as_str()),
    ];
    if holds(request, &etag) {
        let unmodified = Response::new(304, Payload::Absent);
        return lines
            .iter()
            .fold(unmodified, |response, (name, value)| {
                response.with(name, value)
            })
            .with("vary", "Accept-Encoding")
            .with("access-control-allow-origin", "*");
    }
    let whole = Response::new(200, Payload::Sized(file.body.clone()));
    entity(whole, &lines, file.content_type, &file.body)
}

/// If-None-Match, by weak comparison, beats If-Modified-Since (RFC 9110 §13.2.2).
fn holds(request: &Head, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut tags = request.all("if-none-match").peekable();
    if tags.peek().is_some() {
        return tags
            .flat_map(|line| line.split(','))
            .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag));
    }
    let since = request
        .get("if-modified-since")
        .and_then(clock::parse_imf_fixdate);
    since.is_some_and(|since| since >= MODIFIED_MS / 1000 * 1000)
}

fn entity(
    response: Response,
    lines: &[(&str, &str)],
    content_type: &str,
    body: &Bytes,
) -> Response {
    lines
        .iter()
        .fold(response, |response, (name, value)| {
            response.with(name, value)
        })
        .with("content-type", content_type)
        .with("content-length", &body.len().to_string())
        .with("access-control-allow-origin", "*")
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
