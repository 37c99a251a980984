//! t3's static files on their way to a browser: coded once, read by many, cacheable.
//!
//! t3 sends its files whole each time, with nothing that lets a browser keep them (contract §6).
//! What carries its content's hash in its name is kept here and by the browser; everything else is
//! asked for each time, and sent only if it has changed.

pub mod background;
pub mod broadcast_body;
pub mod cacheability;
pub mod coding;
pub mod compressor;
pub mod eligibility;
pub mod encoder;
pub mod etag;
pub mod fill;
pub mod negotiation;
pub mod page_references;
pub mod response_fields;
pub mod revalidate;
pub mod single_flight;
pub mod store;
pub mod transcode;
pub mod warmup;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use tokio::sync::Semaphore;

use crate::assets::background::{Best, Needed};
use crate::assets::coding::Coding;
use crate::assets::compressor::Worker;
use crate::assets::negotiation::Liked;
use crate::assets::single_flight::Flights;
use crate::assets::store::{Kept, Store};
use crate::config::options::AssetsConfig;
use crate::metrics::Metrics;
use crate::process::tasks::Tasks;
use crate::pwa::tags::Tags;
use crate::responses::Answer;
use crate::responses::body::AnswerBody;
use crate::upstream::client::Upstream;
use crate::upstream::error::Failure;
use crate::upstream::health::Readiness;
use crate::upstream::interim::Interim;

/// How many files are fetched and coded at a time: each takes up to 10 MiB meanwhile, and there is
/// one thread for all of them.
const MAX_FETCHES: usize = 4;

/// t3's static files.
#[derive(Debug, Clone)]
pub struct Assets(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    upstream: Arc<Upstream>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    flights: Arc<Flights>,
    worker: Arc<Worker>,
    turns: Arc<Semaphore>,
}

/// A request whose answer may be a static file.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    assets: &'a Arc<Inner>,
    head: &'a Parts,
    /// The name with a hash that is asked for.
    name: Option<&'a str>,
    liked: Liked,
    /// What to put into its head if it is a page.
    tags: Option<Tags>,
}

impl Assets {
    /// Fetches from `upstream` what it has not; does nothing at all where `config` says so. While
    /// `is_needed` says that something else needs the memory, nothing is compressed at leisure.
    pub fn new(
        config: AssetsConfig,
        upstream: &Arc<Upstream>,
        tasks: &Tasks,
        metrics: &Arc<Metrics>,
        is_needed: Needed,
    ) -> Self {
        if !config.enabled {
            return Self(None);
        }
        let store = Arc::new(Store::new(config.memory, Arc::clone(metrics)));
        let best = Best::new(tasks.drain().clone(), is_needed);
        let worker = Worker::new(Arc::clone(&store), best);
        Self(Some(Arc::new(Inner {
            upstream: Arc::clone(upstream),
            tasks: tasks.clone(),
            metrics: Arc::clone(metrics),
            store,
            flights: Arc::default(),
            worker: Arc::new(worker),
            turns: Arc::new(Semaphore::new(MAX_FETCHES)),
        })))
    }

    /// Is anything looked at?
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A request with `head` and without a body, if its answer may be a static file; into a page's
    /// head `tags` are put first.
    pub fn ask<'a>(&'a self, head: &'a Parts, tags: Option<Tags>) -> Option<Ask<'a>> {
        let assets = self.0.as_ref()?;
        eligibility::is_eligible(head).then(|| Ask {
            assets,
            head,
            name: eligibility::hashed_name(head),
            liked: negotiation::liked(&head.headers),
            tags,
        })
    }

    /// Keeps what t3's page refers to, for ever: fetched anew each time that t3 comes up.
    pub async fn keep_warm(&self, readiness: &Readiness) {
        if let Some(assets) = &self.0 {
            assets.keep_warm(readiness).await;
        }
    }
}

impl Ask<'_> {
    /// The answer, where no t3 is needed for it.
    pub fn kept(&self) -> Option<Answer> {
        let liked = |coding| self.liked.has(coding);
        let kept = self.assets.store.get(self.name?, liked)?;
        Some(self.answer_with(kept))
    }

    /// The answer, by t3. Its head must come within `limit`, as must the body of what is looked at
    /// as a whole.
    pub async fn get(self, limit: Duration, interim: &Arc<Interim>) -> Result<Answer, Failure> {
        if let Some(name) = self.name
            && let Some(coding) = self.coding_while_waiting()
            && let Some(outcome) = self.shared(name, coding, limit).await
        {
            return outcome;
        }
        self.alone(limit, interim).await
    }

    /// The coding for somebody who waits, where none is kept: zstd is quickest for its size.
    fn coding_while_waiting(&self) -> Option<Coding> {
        match self.liked.has(Coding::Zstd) {
            true => Some(Coding::Zstd),
            false => self.liked.codings().next(),
        }
    }

    fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    /// Notes that the client was `sent` so much of a file of `whole` bytes.
    fn count_saved(&self, whole: u64, sent: usize) {
        if !self.is_head() {
            let saved = whole.saturating_sub(sent as u64);
            self.assets.metrics.asset_saved(saved);
        }
    }

    fn answer_with(&self, kept: Kept) -> Answer {
        self.count_saved(kept.whole, kept.body.len());
        let length = HeaderValue::from(kept.body.len());
        let mut answer = self.answer(&kept.fields, AnswerBody::Own(kept.body));
        answer.headers_mut().insert(CONTENT_LENGTH, length);
        answer
    }

    /// A 200 with `body`, or without it where only the head was asked for.
    fn answer(&self, fields: &HeaderMap, body: AnswerBody) -> Answer {
        let body = match self.is_head() {
            true => AnswerBody::Own(Bytes::new()),
            false => body,
        };
        let mut answer = Response::new(body);
        *answer.headers_mut() = fields.clone();
        answer
    }
}
