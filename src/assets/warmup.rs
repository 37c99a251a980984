//! What t3's page refers to, fetched and coded before anybody asks.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use tracing::{debug, info};

use crate::assets::Inner;
use crate::assets::encoder::Coding;
use crate::assets::fill::Fetched;
use crate::assets::single_flight::Flight;
use crate::http_rules::paths;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;

/// How long t3 may take for the head of an answer, and for its page.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest page that is looked at.
const LONGEST_PAGE: usize = 1024 * 1024;

/// What is served until the best is there: every client can read it.
const FIRST: Coding = Coding::Gzip;

impl Inner {
    /// Looks at t3's page each time that t3 comes up: it may be another t3.
    pub(super) async fn keep_warm(self: &Arc<Self>, readiness: &Readiness) {
        let mut seen = 0;
        loop {
            seen = readiness.wait_until_up_again(seen).await;
            match self.names_of_the_page().await {
                Ok(names) => self.warm_up(names).await,
                Err(failure) => debug!(%failure, "the page's files are not fetched ahead"),
            }
        }
    }

    async fn warm_up(self: &Arc<Self>, names: Vec<String>) {
        let mut fetched = 0;
        for name in names {
            // One at a time: what waits to be coded takes memory.
            self.worker.is_idle().await;
            fetched += usize::from(self.warm(&name).await);
        }
        self.worker.is_idle().await;
        if fetched > 0 {
            info!(files = fetched, "the page's files are compressed");
        }
    }

    /// Fetches `name`, if nobody has, and waits until all of it is here; true where this was new.
    async fn warm(self: &Arc<Self>, name: &str) -> bool {
        if self
            .store
            .get(name, |coding| coding == Coding::Br)
            .is_some()
        {
            return false;
        }
        let lead = match self.flights.enter(name, FIRST).await {
            Flight::Lead(lead) => lead,
            // Whoever fetches it has it coded as well as can be.
            Flight::Join(..) | Flight::Declined | Flight::Over => return false,
        };
        let Ok(Fetched::Coming(_, mut reader)) = self.fetch(lead, FIRST, LIMIT).await else {
            return false;
        };
        while let Some(Ok(_)) = poll_fn(|cx| reader.poll_next(cx)).await {}
        reader.is_at_end()
    }

    async fn names_of_the_page(&self) -> Result<Vec<String>, Failure> {
        let answer = self.ask_t3("/", LIMIT).await?;
        let content_type = answer.headers().get(CONTENT_TYPE);
        let is_html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        if answer.status() != StatusCode::OK || !is_html {
            return Ok(Vec::new());
        }
        let page = Limited::new(answer.into_body(), LONGEST_PAGE).collect();
        let page = tokio::time::timeout(LIMIT, page).await;
        let page = page.map_err(|_| Failure::ResponseTimeout)?;
        let page = page.map_err(|_| Failure::Unreadable)?.to_bytes();
        Ok(hashed_in(&page))
    }
}

/// How many names one page may bring.
const MOST: usize = 64;

/// What `html` names below /assets/ in a quoted attribute: scripts, styles, module preloads; each
/// name once, in the page's order.
pub(super) fn hashed_in(html: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let quoted = html.split(|byte| matches!(byte, b'"' | b'\''));
    for text in quoted.filter(|text| text.starts_with(b"/assets/")) {
        let Ok(name) = std::str::from_utf8(text) else {
            continue;
        };
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.contains(['?', '#', '<', '>'])
            && name.len() > "/assets/".len()
            && paths::is_static_path(name);
        if is_plain && names.len() < MOST && !names.iter().any(|held| held == name) {
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
            hashed_in(html),
            [
                "/assets/index-BaqlnIud.js",
                "/assets/vendor-1.js",
                "/assets/index-D.css"
            ]
        );
        assert!(hashed_in(b"").is_empty());
        assert!(hashed_in(b"\"/assets/\xff\"").is_empty());
    }

    #[test]
    fn no_page_brings_too_many() {
        let html: String = (0..1000).map(|n| format!("\"/assets/{n}.js\" ")).collect();
        assert_eq!(hashed_in(html.as_bytes()).len(), MOST);
    }
}
