//! Warm-up: fetches and compresses the files of t3's page, and what these import, before any client asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::assets::fetch::FetchOutcome;
use crate::assets::imports::FetchPlan;
use crate::assets::negotiation::PreferredCodings;
use crate::assets::single_flight::FetchRole;
use crate::assets::transcode::EncodedPiece;
use crate::assets::{AssetService, media_type};
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;

/// How long t3 may take for the head of a response, and for its page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// After which time no further file is begun: the machine has other things to do.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The longest page that is read.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

impl AssetService {
    /// Warms up each time that t3 comes up: it may be another version.
    pub(super) async fn keep_warm(self: &Arc<Self>, readiness: &Readiness) {
        let mut seen = 0;
        loop {
            seen = readiness.wait_until_up_again(seen).await;
            match self.page().await {
                Ok(page) => self.warm_up(&page).await,
                Err(failure) => debug!(%failure, "no warm-up: t3's page was not read"),
            }
        }
    }

    async fn warm_up(self: &Arc<Self>, page: &[u8]) {
        let (begun, mut fetched) = (Instant::now(), 0);
        let mut plan = FetchPlan::of_page(page);
        while let Some(file) = plan.next() {
            // One at a time: a file that waits to be compressed takes memory.
            self.compressor.wait_until_idle().await;
            if begun.elapsed() > TIME_LIMIT {
                break;
            }
            fetched += usize::from(self.fetch_ahead(&file.name).await);
            if let Some(original) = self.original(&file.name).await {
                plan.follow(&file, &original.body);
            }
        }
        self.compressor.wait_until_idle().await;
        if fetched > 0 {
            let took = begun.elapsed();
            info!(
                files = fetched,
                ?took,
                "warm-up done: static files compressed"
            );
        }
    }

    /// Fetches `name` unless it is stored or being fetched; returns whether it was stored now.
    async fn fetch_ahead(self: &Arc<Self>, name: &str) -> bool {
        if self.store.get(name, |_| true).is_some() {
            return false;
        }
        let leader = match self.fetches.enter(name) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(ended) => {
                let _ = timeout(TIMEOUT, ended.cancelled()).await;
                return false;
            }
        };
        // Until the best is ready, a client is sent no more than by t3 itself.
        let fetch = self.fetch(leader, PreferredCodings::BROTLI, TIMEOUT).await;
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

    /// t3's page; empty if the response is none.
    async fn page(&self) -> Result<Bytes, Failure> {
        let response = self.get_for_all("/", TIMEOUT).await?;
        if response.status() != StatusCode::OK || !media_type::is_html(response.headers()) {
            return Ok(Bytes::new());
        }
        let page = Limited::new(response.into_body(), MAX_PAGE_BYTES).collect();
        let page = timeout(TIMEOUT, page).await;
        let page = page.map_err(|_| Failure::ResponseTimeout)?;
        Ok(page.map_err(|_| Failure::Unreadable)?.to_bytes())
    }
}
