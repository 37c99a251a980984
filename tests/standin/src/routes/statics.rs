//! The page and its files; every unknown path is the page (contract §6).

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::exchange::Exchange;
use super::identity;
use crate::http::answer::Answer;

const HTML: &str = include_str!("../page/index.html");
const SCRIPT: &str = include_str!("../page/app.js");
const STYLE: &str = include_str!("../page/app.css");
const ICON: &[u8] = include_bytes!("../page/apple-touch-icon.png");
const FAVICON: &[u8] = include_bytes!("../page/favicon.ico");

/// What `GET /attachments/<id>` gives, whatever the id.
const ATTACHMENT: &str = "an attachment\n";

static FILES: LazyLock<Files> = LazyLock::new(Files::new);

/// The page's files under the names they are asked for.
struct Files {
    index: Bytes,
    script_path: String,
    style_path: String,
}

impl Files {
    /// Names carry a hash of the content, as a bundler's do.
    fn new() -> Files {
        let script_path = format!("/assets/app-{}.js", short_hash(SCRIPT));
        let style_path = format!("/assets/app-{}.css", short_hash(STYLE));
        let index = HTML
            .replace("/assets/app.js", &script_path)
            .replace("/assets/app.css", &style_path);
        Files {
            index: Bytes::from(index),
            script_path,
            style_path,
        }
    }
}

pub(super) fn answer(exchange: &Exchange<'_>) -> Answer {
    let target = exchange.target();
    if target.climbs() {
        return Answer::text(400, "Invalid static file path");
    }
    if target.path.starts_with("/attachments/") {
        return attachment(exchange);
    }
    file(target.path)
}

fn file(path: &str) -> Answer {
    let files = &*FILES;
    let (content_type, body) = match path {
        "/apple-touch-icon.png" => ("image/png", Bytes::from_static(ICON)),
        "/favicon.ico" => ("image/x-icon", Bytes::from_static(FAVICON)),
        path if path == files.script_path => ("text/javascript; charset=utf-8", SCRIPT.into()),
        path if path == files.style_path => ("text/css; charset=utf-8", STYLE.into()),
        _ => ("text/html; charset=utf-8", files.index.clone()),
    };
    Answer::typed(200, content_type, body)
}

/// Public by its headers although a session is needed (contract §6).
fn attachment(exchange: &Exchange<'_>) -> Answer {
    if let Err(refusal) = identity::require_scope(exchange, "orchestration:read") {
        return refusal;
    }
    let answer = Answer::typed(200, "application/octet-stream", ATTACHMENT)
        .with("cache-control", "public, max-age=31536000, immutable");
    // A HEAD shows what Node makes of sizes it does not know (contract §6).
    if exchange.head.method() == "HEAD" {
        answer
            .with("etag", "W/\"e-NaN\"")
            .with("last-modified", "Invalid Date")
    } else {
        answer
            .with("etag", "W/\"e-19a0c0a0\"")
            .with("last-modified", "Sun, 22 Nov 2026 14:00:00 GMT")
    }
}

fn short_hash(text: &str) -> String {
    let mut hash = BASE64URL_NOPAD.encode(&Sha256::digest(text));
    hash.truncate(8);
    hash
}
