//! The metrics of requests and of static files.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Histograms, Maker, label};

/// From a response out of memory to the longest that t3 may take.
const REQUEST_SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// From some microseconds to what a person would notice.
const OWN_SECONDS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.25,
];

label!(
    /// The kind of a request.
    Kind, "kind", {
        /// The load of a page by a person's browser.
        Page = "page",
        /// A file below `/assets/`.
        Asset = "asset",
        /// An upgrade to a WebSocket.
        Upgrade = "upgrade",
        /// Anything else for t3.
        Fetch = "fetch",
        /// Anything by the device door.
        App = "app",
        /// A probe of the dispatcher itself, or what a tab asks it.
        Probe = "probe",
        /// No clean HTTP: refused before it was routed.
        Invalid = "invalid",
    }
);

label!(
    /// The way by which a request went.
    RequestWay, "way", {
        /// The fast path, from buffer to buffer.
        FastPath = "fast_path",
        /// hyper and the router.
        Hyper = "hyper",
    }
);

label!(
    /// The class of a response's status.
    Class, "class", {
        /// Another protocol follows.
        Informational = "1xx",
        /// Success.
        Success = "2xx",
        /// A redirection, or not modified.
        Redirection = "3xx",
        /// An error of the client.
        ClientError = "4xx",
        /// An error of t3 or the dispatcher.
        ServerError = "5xx",
    }
);

label!(
    /// What bytes are part of.
    Stream, "stream", {
        /// Requests and responses, heads included.
        Http = "http",
        /// A tunnel.
        Tunnel = "tunnel",
    }
);

label!(
    /// Why a client's request got no response of t3.
    NoAnswer, "cause", {
        /// No connection could be made.
        Unreachable = "unreachable",
        /// Another user of this machine listens there.
        Listener = "listener",
        /// No response came in time.
        Timeout = "timeout",
        /// The connection ended first.
        Broken = "broken",
        /// The response cannot be passed on.
        Unusable = "unusable",
        /// Clients hold what may be held for them.
        Memory = "memory",
        /// The dispatcher has no descriptor left.
        Descriptors = "descriptors",
        /// All connection places are taken.
        Places = "places",
    }
);

label!(
    /// How a request for a static file was served.
    Asset, "outcome", {
        /// From the store, without t3.
        Hit = "hit",
        /// From t3.
        Miss = "miss",
        /// The browser has it already.
        NotModified = "not_modified",
    }
);

label!(
    /// What became of a file in the directory that keeps static files over a restart.
    CacheEvent, "outcome", {
        /// It decoded to what t3 sends, and is served.
        Restored = "restored",
        /// It did not, and was removed.
        Refused = "refused",
        /// It was written.
        Written = "written",
        /// It could not be written, or the directory not be used.
        Failed = "failed",
    }
);

/// A request whose response head is ready.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The way by which it went.
    pub way: RequestWay,
    /// The kind of the request.
    pub kind: Kind,
    /// The class of its response.
    pub class: Class,
    /// From its head to its response's head.
    pub took: Duration,
    /// The part of `took` spent on waiting for t3: for a response, for a session, for it to be up.
    pub waited: Duration,
}

/// The metrics of requests and of static files.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    answered: Counters<(Kind, Class)>,
    by_way: Counters<RequestWay>,
    took: Histograms<Kind>,
    waited: Histograms<Kind>,
    own: Histograms<Kind>,
    no_answer: Counters<NoAnswer>,
    received: Counters<Stream>,
    sent: Counters<Stream>,
    assets: Counters<Asset>,
    asset_bytes_saved: IntCounter,
    asset_bytes_stored: IntGauge,
    asset_cache: Counters<CacheEvent>,
}

impl Class {
    /// The class of `status`.
    pub fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

impl RequestMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            answered: make.counters(
                "requests_total",
                "Requests, by their kind and the class of their response",
            ),
            by_way: make.counters(
                "requests_by_way_total",
                "Requests, by the way by which they went: the fast path, or hyper and the router",
            ),
            took: make.histograms(
                "request_duration_seconds",
                "From the head of a request to the head of its response, by kind",
                &REQUEST_SECONDS,
            ),
            waited: make.histograms(
                "request_upstream_duration_seconds",
                "The part of a request's duration spent on waiting for t3, pairing included, by kind",
                &REQUEST_SECONDS,
            ),
            own: make.histograms(
                "request_dispatcher_duration_seconds",
                "The part of a request's duration that was the dispatcher's own, by kind",
                &OWN_SECONDS,
            ),
            no_answer: make.counters(
                "upstream_failures_total",
                "Requests to t3 without a response, by cause; some were tried again",
            ),
            received: make.counters(
                "received_bytes_total",
                "Bytes received from clients, by what they were part of",
            ),
            sent: make.counters(
                "sent_bytes_total",
                "Bytes sent to clients, by what they were part of",
            ),
            assets: make.counters(
                "asset_requests_total",
                "Requests for static files, t3's page included, by how they were served",
            ),
            asset_bytes_saved: make.counter(
                "asset_saved_bytes_total",
                "Bytes of static files that were not sent: compressed, or in the browser already",
            ),
            asset_bytes_stored: make.gauge("asset_store_bytes", "Bytes of static files in memory"),
            asset_cache: make.counters(
                "asset_cache_files_total",
                "Compressed files in DISPATCHER_CACHE_DIR, by what became of them",
            ),
        }
    }
}

impl Metrics {
    /// The head of a response is ready.
    pub fn answered(&self, request: Answered) {
        let (requests, kind) = (&self.requests, request.kind);
        requests.answered.of((kind, request.class)).inc();
        requests.by_way.of(request.way).inc();
        let own = request.took.saturating_sub(request.waited);
        let seconds = |duration: Duration| duration.as_secs_f64();
        requests.took.of(kind).observe(seconds(request.took));
        requests.waited.of(kind).observe(seconds(request.waited));
        requests.own.of(kind).observe(seconds(own));
    }

    /// A client's request got no response of t3.
    pub fn no_answer(&self, cause: NoAnswer) {
        self.requests.no_answer.of(cause).inc();
    }

    /// Bytes were received from a client.
    pub fn received(&self, stream: Stream, bytes: u64) {
        self.requests.received.of(stream).inc_by(bytes);
    }

    /// Bytes were sent to a client.
    pub fn sent(&self, stream: Stream, bytes: u64) {
        self.requests.sent.of(stream).inc_by(bytes);
    }

    /// A request for a static file was served.
    pub fn asset(&self, outcome: Asset) {
        self.requests.assets.of(outcome).inc();
    }

    /// Bytes of a static file were not sent: the file's size less what was sent of it.
    pub fn asset_saved(&self, bytes: u64) {
        self.requests.asset_bytes_saved.inc_by(bytes);
    }

    /// So many bytes of static files are in memory now.
    pub fn asset_store(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.requests.asset_bytes_stored.set(bytes);
    }

    /// Something became of a file in the directory that keeps static files over a restart.
    pub fn asset_cache(&self, event: CacheEvent) {
        self.requests.asset_cache.of(event).inc();
    }
}
