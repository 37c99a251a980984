//! Warm-up: fetches and compresses the files of t3's page, and what these import, before any client asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::assets::fetch::FetchOutcome;
use crate::assets::imports::FetchPlan;
use crate::assets::names::KnownFile;
use crate::assets::single_flight::FetchRole;
use crate::assets::{AssetService, media_type};
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;

/// How long t3 may take for the head of a response, and for its page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// After which time it ends: the machine has other things to do, and other t3s wait for their turn.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The longest page that is read.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

impl AssetService {
    /// Warms up each time that t3 comes up: it may be another version. Other t3s have their turns, too. Once it is
    /// away it is asked for nothing more.
    pub(super) async fn keep_warm(self: &Arc<Self>, readiness: &Readiness) {
        let mut seen = 0;
        loop {
            seen = readiness.wait_until_up_again(seen).await;
            // The semaphore is never closed.
            let turn = self.content.warm_ups.acquire().await.ok();
            let restarts = readiness.restarts();
            // In a box: what waits takes little.
            let warm_up = Box::pin(async {
                tokio::select! {
                    biased;
                    () = readiness.wait_until_gone(restarts) => {}
                    () = self.warm_up(turn) => {}
                }
            });
            warm_up.await;
        }
    }

    async fn warm_up(self: &Arc<Self>, turn: Option<SemaphorePermit<'_>>) {
        let (begun, mut fetched) = (Instant::now(), 0);
        let mut plan = match self.page().await {
            Ok(page) => FetchPlan::of_page(&page),
            Err(failure) => {
                debug!(%failure, "no warm-up: t3's page was not read");
                return;
            }
        };
        let fetch_all = async {
            while let Some(file) = plan.next() {
                // One at a time: a file that waits to be compressed takes memory.
                self.content.compressor.wait_until_idle().await;
                fetched += usize::from(self.fetch_ahead(&file.name).await);
                if let Some(known) = self.names.get(&file.name)
                    && let Some(original) = self.content.original(&known).await
                {
                    plan.follow(&file, &original).await;
                    self.content.compress(&known, original);
                }
            }
        };
        let _ = timeout(TIME_LIMIT, fetch_all).await;
        drop(turn);
        self.content.compressor.wait_until_idle().await;
        if fetched > 0 {
            let took = begun.elapsed();
            info!(
                files = fetched,
                ?took,
                "warm-up done: static files compressed"
            );
        }
    }

    /// Fetches `name` unless its content is stored or it is being fetched; returns whether it was stored now.
    async fn fetch_ahead(self: &Arc<Self>, name: &str) -> bool {
        let is_stored =
            |file: &KnownFile| self.content.encoded.get(file.content, |_| true).is_some();
        if self.names.get(name).as_ref().is_some_and(is_stored) {
            return false;
        }
        let leader = match self.fetches.enter(name) {
            FetchRole::Leader(leader) => leader,
            FetchRole::Follower(ended) => {
                let _ = timeout(TIMEOUT, ended.cancelled()).await;
                return false;
            }
        };
        // No client waits: until the best is ready, other codings are made as they are asked for.
        match self.fetch(leader, None, TIMEOUT).await {
            Ok(FetchOutcome::Stored(_, body) | FetchOutcome::Whole(body)) => body.ended().await,
            _ => false,
        }
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
