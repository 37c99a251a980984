//! The metrics of requests and of static files.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge};

use crate::metrics::Metrics;
use crate::metrics::labels::{Counters, Histograms, Maker, label};

/// From an answer out of memory to all the time that t3 may take.
const REQUEST_SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// From some microseconds to what a person would notice.
const OWN_SECONDS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.25,
];

label!(
    /// What kind of request it was.
    Kind, "kind", {
        /// The load of a page by a person's browser.
        Page = "page",
        /// A name under `/assets/`.
        Asset = "asset",
        /// A WebSocket was asked for.
        Upgrade = "upgrade",
        /// Anything else for t3.
        Fetch = "fetch",
        /// A probe of the dispatcher itself.
        Probe = "probe",
        /// No clean HTTP: refused before anybody looked at it.
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
    /// The class of an answer's status.
    Class, "class", {
        /// Another protocol follows.
        Informational = "1xx",
        /// Well.
        Success = "2xx",
        /// Elsewhere, or unchanged.
        Redirection = "3xx",
        /// The client's fault.
        ClientError = "4xx",
        /// t3's fault, or the dispatcher's.
        ServerError = "5xx",
    }
);

label!(
    /// What bytes are part of.
    Stream, "stream", {
        /// Requests and answers, heads included.
        Http = "http",
        /// A tunnel.
        Tunnel = "tunnel",
    }
);

label!(
    /// Why there was no answer of t3 to a client's request.
    NoAnswer, "cause", {
        /// No connection could be made.
        Unreachable = "unreachable",
        /// No answer came in time.
        Timeout = "timeout",
        /// The connection ended first.
        Broken = "broken",
        /// What came cannot be passed on.
        Unusable = "unusable",
    }
);

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

/// The metrics of requests.
#[derive(Debug)]
pub(super) struct Requests {
    answered: Counters<(Kind, Class)>,
    by_way: Counters<RequestWay>,
    took: Histograms<Kind>,
    waited: Histograms<Kind>,
    own: Histograms<Kind>,
    no_answer: Counters<NoAnswer>,
    pub(super) received: Counters<Stream>,
    pub(super) sent: Counters<Stream>,
}

/// A request whose answer's head is ready.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The way by which it went.
    pub way: RequestWay,
    /// What kind of request it was.
    pub kind: Kind,
    /// The class of its answer.
    pub class: Class,
    /// From its head to its answer's head.
    pub took: Duration,
    /// How much of that was spent on waiting for t3: for its answer, for a session, for it to be up.
    pub waited: Duration,
}

impl Requests {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            answered: make.counters(
                "requests_total",
                "Requests, by their kind and the class of their answer",
            ),
            by_way: make.counters(
                "requests_by_way_total",
                "Requests, by the way by which they went: the fast path, or hyper and the router",
            ),
            took: make.seconds(
                "request_duration_seconds",
                "From the head of a request to the head of its answer, by kind",
                &REQUEST_SECONDS,
            ),
            waited: make.seconds(
                "request_upstream_duration_seconds",
                "How much of a request's duration t3 was waited for, pairing included, by kind",
                &REQUEST_SECONDS,
            ),
            own: make.seconds(
                "request_dispatcher_duration_seconds",
                "How much of a request's duration was the dispatcher's own, by kind",
                &OWN_SECONDS,
            ),
            no_answer: make.counters(
                "upstream_failures_total",
                "Requests to t3 that had no answer, by cause; some were tried again",
            ),
            received: make.counters(
                "received_bytes_total",
                "Bytes that clients sent, by what they were part of",
            ),
            sent: make.counters(
                "sent_bytes_total",
                "Bytes that clients were sent, by what they were part of",
            ),
        }
    }
}

impl Metrics {
    /// The head of an answer is ready.
    pub fn answered(&self, request: Answered) {
        let requests = &self.requests;
        let Answered {
            way,
            kind,
            class,
            took,
            waited,
        } = request;
        requests.answered.of((kind, class)).inc();
        requests.by_way.of(way).inc();
        requests.took.of(kind).observe(took.as_secs_f64());
        requests.waited.of(kind).observe(waited.as_secs_f64());
        let own = took.saturating_sub(waited);
        requests.own.of(kind).observe(own.as_secs_f64());
    }

    /// t3 gave no answer to a client's request.
    pub fn no_answer(&self, cause: NoAnswer) {
        self.requests.no_answer.of(cause).inc();
    }

    /// A client sent so many bytes.
    pub fn received(&self, stream: Stream, bytes: u64) {
        self.requests.received.of(stream).inc_by(bytes);
    }

    /// A client was sent so many bytes.
    pub fn sent(&self, stream: Stream, bytes: u64) {
        self.requests.sent.of(stream).inc_by(bytes);
    }
}

label!(
    /// How a request for a static file was served.
    Asset, "outcome", {
        /// From the store, without t3.
        Hit = "hit",
        /// From t3.
        Miss = "miss",
        /// The browser had it already.
        NotModified = "not_modified",
    }
);

/// The metrics of static files.
#[derive(Debug)]
pub(super) struct Assets {
    served: Counters<Asset>,
    saved: IntCounter,
    stored: IntGauge,
}

impl Assets {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            served: make.counters(
                "asset_requests_total",
                "Requests for static files, t3's page included, by how they were served",
            ),
            saved: make.counter(
                "asset_saved_bytes_total",
                "Bytes of static files that clients were not sent: compressed, or there already",
            ),
            stored: make.gauge("asset_store_bytes", "Bytes of static files that are kept"),
        }
    }
}

impl Metrics {
    /// A request for a static file was served.
    pub fn asset(&self, outcome: Asset) {
        self.assets.served.of(outcome).inc();
    }

    /// So many bytes of a static file were not sent: the file's size less what was sent of it.
    pub fn asset_saved(&self, bytes: u64) {
        self.assets.saved.inc_by(bytes);
    }

    /// So many bytes of static files are kept now.
    pub fn asset_store(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.assets.stored.set(bytes);
    }
}
