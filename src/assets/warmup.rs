//! Warm-up: fetches and compresses the files that t3's page refers to before any client asks.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use tracing::{debug, info};

use crate::assets::AssetService;
use crate::assets::encoder::Coding;
use crate::assets::fetch::FetchOutcome;
use crate::assets::single_flight::FetchRole;
use crate::assets::transcode::EncodedPiece;
use crate::http_rules::paths;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;

/// How long t3 may take for the head of a response, and for its page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest page that is read.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// How many files of one page are fetched.
const MAX_FILES: usize = 64;

/// The first coding of a file: every client accepts it.
const FIRST_CODING: Coding = Coding::Gzip;

impl AssetService {
    /// Warms up each time that t3 comes up: it may be another version.
    pub(super) async fn keep_warm(self: &Arc<Self>, readiness: &Readiness) {
        let mut seen = 0;
        loop {
            seen = readiness.wait_until_up_again(seen).await;
            match self.names_in_page().await {
                Ok(names) => self.warm_up(names).await,
                Err(failure) => debug!(%failure, "no warm-up: t3's page was not read"),
            }
        }
    }

    async fn warm_up(self: &Arc<Self>, names: Vec<String>) {
        let mut fetched = 0;
        for name in names {
            // One at a time: a file that waits to be compressed takes memory.
            self.compressor.wait_until_idle().await;
            fetched += usize::from(self.fetch_ahead(&name).await);
        }
        self.compressor.wait_until_idle().await;
        if fetched > 0 {
            info!(files = fetched, "warm-up done: static files compressed");
        }
    }

    /// Fetches `name` unless it is stored or being fetched; returns whether it was stored now.
    async fn fetch_ahead(self: &Arc<Self>, name: &str) -> bool {
        let stored = self.store.get(name, |coding| coding == Coding::Br);
        if stored.is_some() {
            return false;
        }
        let FetchRole::Leader(leader) = self.fetches.enter(name, FIRST_CODING) else {
            return false;
        };
        let fetch = self.fetch(leader, FIRST_CODING, TIMEOUT).await;
        let Ok(FetchOutcome::Stored(_, mut pieces)) = fetch else {
            return false;
        };
        while let Some(piece) = pieces.recv().await {
            if matches!(piece, EncodedPiece::End) {
                return true;
            }
        }
        false
    }

    /// The names of immutable files in t3's page.
    async fn names_in_page(&self) -> Result<Vec<String>, Failure> {
        let response = self.get_for_all("/", TIMEOUT).await?;
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        if response.status() != StatusCode::OK || !is_html {
            return Ok(Vec::new());
        }
        let page = Limited::new(response.into_body(), MAX_PAGE_BYTES).collect();
        let page = tokio::time::timeout(TIMEOUT, page).await;
        let page = page.map_err(|_| Failure::ResponseTimeout)?;
        let page = page.map_err(|_| Failure::Unreadable)?.to_bytes();
        Ok(hashed_names(&page))
    }
}

/// The paths below /assets/ in quoted attributes of `html`, such as scripts, styles and module
/// preloads: each once, in the page's order.
fn hashed_names(html: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let quoted = html.split(|byte| matches!(byte, b'"' | b'\''));
    let assets = quoted.filter(|text| text.starts_with(paths::HASHED.as_bytes()));
    for name in assets.filter_map(|text| std::str::from_utf8(text).ok()) {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.contains(['?', '#', '<', '>'])
            && name.len() > paths::HASHED.len()
            && paths::is_static_path(name);
        if is_plain && names.len() < MAX_FILES && !names.iter().any(|held| held == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_styles_and_preloads_are_found_once_each() {
        let html = br#"<!doctype html><html><head>
            <script type="module" crossorigin src="/assets/index-BaqlnIud.js"></script>
            <link rel=modulepreload href='/assets/vendor-1.js'>
            <link rel="stylesheet" href="/assets/index-D.css"><link href="/favicon.ico">
            <link href="/assets/index-D.css"><script src="/assets/a.js?v=1"></script>
            <script src="https://other.test/assets/x.js"></script><a href="/assets/">x</a>
            <a href="/assets/../api/x">x</a><a href="/assets/a b.js">x</a></head></html>"#;
        assert_eq!(
            hashed_names(html),
            [
                "/assets/index-BaqlnIud.js",
                "/assets/vendor-1.js",
                "/assets/index-D.css"
            ]
        );
        assert!(hashed_names(b"").is_empty());
        assert!(hashed_names(b"\"/assets/\xff\"").is_empty());
    }

    #[test]
    fn no_page_brings_too_many() {
        let html: String = (0..1000).map(|n| format!("\"/assets/{n}.js\" ")).collect();
        assert_eq!(hashed_names(html.as_bytes()).len(), MAX_FILES);
    }
}
