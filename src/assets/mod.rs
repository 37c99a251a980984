//! t3's static files: compressed once, stored, and made cacheable for browsers.
//!
//! t3 sends its files with no field that lets a browser cache them (contract §6), or has every one
//! validated each time (§11). A file whose name carries its content's hash is immutable: it is stored
//! here, and by the browser. Any other file is fetched for each request, and sent only if it has changed.
//! The content coding is chosen here: t3 is asked for none.

pub mod background_encoder;
mod bodies;
pub mod cacheability;
pub mod caching_rules;
pub mod compressor;
pub mod content_store;
pub mod declined;
pub mod disk_cache;
pub mod encoder;
pub mod etag;
pub mod fetch;
mod growing_body;
pub mod hashes;
pub mod icons;
pub mod imports;
pub mod kept;
pub mod media_type;
pub mod names;
pub mod negotiation;
pub mod response_fields;
pub mod revalidate;
pub mod single_flight;
pub mod store;
pub mod transcode;
pub mod warmup;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::assets::content_store::ContentStore;
use crate::assets::declined::Declined;
use crate::assets::kept::KeptResponse;
use crate::assets::names::Names;
use crate::assets::negotiation::PreferredCodings;
use crate::assets::single_flight::Fetches;
use crate::http_rules::HeaderView;
use crate::http_rules::frame_ancestors::FrameAncestors;
use crate::metrics::Metrics;
use crate::metrics::requests::Asset;
use crate::process::Tasks;
use crate::responses::body::ResponseBody;
use crate::responses::{ClientResponse, PageTransform};
use crate::upstream::Upstream;
use crate::upstream::error::Failure;
use crate::upstream::forward::Interim;
use crate::upstream::health::Readiness;

/// How many files of one t3 are fetched at a time while clients wait.
const MAX_FETCHES: usize = 4;

/// The static files of one t3; switched off, no request is for one.
#[derive(Debug, Clone)]
pub struct StaticAssets(Option<Arc<AssetService>>);

#[derive(Debug)]
struct AssetService {
    frame_ancestors: FrameAncestors,
    upstream: Arc<Upstream>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    content: Arc<ContentStore>,
    names: Names,
    fetches: Arc<Fetches>,
    fetch_permits: Arc<Semaphore>,
    declined: Declined,
}

/// A request that may be for a static file.
#[derive(Debug, Clone, Copy)]
pub struct AssetRequest<'a> {
    service: &'a Arc<AssetService>,
    head: &'a Parts,
    /// The name of an immutable file.
    immutable_name: Option<&'a str>,
    preferred: PreferredCodings,
    /// What is inserted if the response is a page.
    page_transform: Option<PageTransform>,
}

impl StaticAssets {
    /// The files of `upstream`, its pages with the policy of `frame_ancestors`. What is encoded of them is
    /// in `content`, which they may share with those of other t3s; without one they are switched off.
    pub fn new(
        content: Option<&Arc<ContentStore>>,
        frame_ancestors: FrameAncestors,
        upstream: &Arc<Upstream>,
        tasks: &Tasks,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let service = |content: &Arc<ContentStore>| AssetService {
            frame_ancestors,
            upstream: Arc::clone(upstream),
            tasks: tasks.clone(),
            metrics: Arc::clone(metrics),
            content: Arc::clone(content),
            names: Names::new(Arc::clone(&content.encoded)),
            fetches: Arc::default(),
            fetch_permits: Arc::new(Semaphore::new(MAX_FETCHES)),
            declined: Declined::new(Arc::clone(&content.encoded)),
        };
        Self(content.map(service).map(Arc::new))
    }

    /// Is any request taken for a static file?
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The request with `head` and no body, if its response may be a static file. `page_transform` is
    /// inserted if it is a page.
    pub fn request<'a>(
        &'a self,
        head: &'a Parts,
        page_transform: Option<PageTransform>,
    ) -> Option<AssetRequest<'a>> {
        let service = self.0.as_ref()?;
        cacheability::is_eligible(head).then(|| AssetRequest {
            service,
            head,
            immutable_name: cacheability::hashed_name(head),
            preferred: negotiation::preferred_codings(&head.headers),
            page_transform,
        })
    }

    /// The response to a GET or HEAD with `fields` and no body for `path`, without a query, if that is a kept
    /// file and t3 need not be asked. It is not counted.
    pub fn kept(&self, path: &str, fields: &(impl HeaderView + ?Sized)) -> Option<KeptResponse> {
        let service = self.0.as_ref()?;
        if !cacheability::is_for_immutable(path, fields) {
            return None;
        }
        let preferred = negotiation::preferred_codings(fields);
        KeptResponse::find(service, path, fields, preferred)
    }

    /// Fetches and compresses the files of t3's page each time that t3 comes up; never returns
    /// unless switched off.
    pub async fn keep_warm(&self, readiness: &Readiness) {
        if let Some(service) = &self.0 {
            service.keep_warm(readiness).await;
        }
    }
}

impl AssetRequest<'_> {
    /// The response, if the file is stored or the client has it. It is counted.
    pub fn stored(&self) -> Option<ClientResponse> {
        let (name, fields) = (self.immutable_name?, &self.head.headers);
        let kept = KeptResponse::find(self.service, name, fields, self.preferred)?;
        kept.count(self.is_head(), &self.service.metrics);
        Some(self.kept(&kept))
    }

    /// The response, from t3 unless the file is stored. It is counted. Its head must come within
    /// `limit`, and so must the body of a file that is revalidated.
    pub async fn fetch(
        self,
        limit: Duration,
        interim: &Arc<Interim>,
    ) -> Result<ClientResponse, Failure> {
        if let Some(response) = self.stored() {
            return Ok(response);
        }
        let shared = match self.immutable_name {
            Some(name) => self.shared(name, limit).await,
            None => None,
        };
        let response = match shared {
            Some(outcome) => outcome?,
            None => self.forward(limit, interim).await?,
        };
        self.service.metrics.asset(match response.status() {
            StatusCode::NOT_MODIFIED => Asset::NotModified,
            _ => Asset::Miss,
        });
        Ok(response)
    }

    fn kept(&self, kept: &KeptResponse) -> ClientResponse {
        let mut response = self.response(kept.headers(), ResponseBody::Own(kept.body()));
        *response.status_mut() = kept.status();
        response
    }

    fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    /// Counts the bytes that compression or a 304 has saved: of `original_length` bytes the client
    /// was sent `sent`.
    fn count_saved(&self, original_length: u64, sent: usize) {
        if !self.is_head() {
            let saved = original_length.saturating_sub(sent as u64);
            self.service.metrics.asset_saved(saved);
        }
    }

    /// A 200 with `body`, which a response to HEAD has not.
    fn response(&self, headers: HeaderMap, body: ResponseBody) -> ClientResponse {
        let body = match self.is_head() {
            true => ResponseBody::empty(),
            false => body,
        };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }
}
