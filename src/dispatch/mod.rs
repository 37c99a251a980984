//! One request in, one answer out: its route is found, and whoever stands there answers.

mod arrival;
mod asset;
mod fetch;
mod heal;
mod page;
mod persist;

use std::sync::Arc;

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::{debug, warn};

use self::arrival::Arrival;
pub use self::arrival::{Client, Opened, Outcome};
use crate::answers::{self, Answer, Audience};
use crate::assets::Assets;
use crate::config::LimitsConfig;
use crate::cookies;
use crate::door::{Door, Standing};
use crate::headers;
use crate::hygiene::{self, Refusal};
use crate::navigation;
use crate::pairing::Pairing;
use crate::readiness::Readiness;
use crate::route::{self, Route};
use crate::set_cookie;
use crate::tunnels::Tunnels;
use crate::upstream::{Failure, Outbound, Upstream};
use crate::websocket;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Dispatch {
    /// Who is let in.
    pub door: Door,
    /// How much one client may take.
    pub limits: LimitsConfig,
    /// t3.
    pub upstream: Arc<Upstream>,
    /// Whether it is there.
    pub readiness: Arc<Readiness>,
    /// What makes sessions on it.
    pub pairing: Pairing,
    /// Its static files.
    pub assets: Assets,
    /// The tunnels that are open.
    pub tunnels: Arc<Tunnels>,
}

impl Dispatch {
    /// How much one client may take.
    pub fn limits(&self) -> LimitsConfig {
        self.limits
    }

    /// A tunnel was ended by t3's side: is t3 still there?
    pub fn tunnel_lost(&self) {
        self.readiness.doubt();
    }

    /// Answers one request of `client`.
    pub async fn answer(&self, mut request: Request<Incoming>, client: &Client) -> Outcome {
        let at = Instant::now();
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        if let Err(refusal) = client
            .line
            .check()
            .and_then(|()| hygiene::check(&mut request))
        {
            client.activity.begin(None);
            return refused(refusal).into();
        }
        let wants_websocket = websocket::is_asked_for(request.headers());
        headers::strip_request(request.headers_mut());
        if wants_websocket && let Err(refusal) = hygiene::check_handshake(&request) {
            client.activity.begin(None);
            return refused(refusal).into();
        }
        let visitor = self.door.admit(request.headers_mut(), client.peer.ip());
        let route = route::of(&request, wants_websocket);
        debug!(method = %request.method(), path = request.uri().path(), ?route, "request");
        let is_https = visitor.is_https;
        let (head, body) = request.into_parts();
        let body = Outbound::of_client(body);
        client.activity.begin(body.upload());
        let arrival = Arrival {
            head,
            visitor,
            client,
            at,
        };
        let mut outcome = self.route(route, arrival, body).await;
        self.finish(outcome.answer.headers_mut(), is_https, is_chunked);
        outcome
    }

    async fn route(&self, route: Route, arrival: Arrival<'_>, body: Outbound) -> Outcome {
        let is_barred = arrival.visitor.standing == Standing::Barred;
        match route {
            Route::Health => answers::healthy().into(),
            Route::Ready => answers::ready(self.readiness.status().state).into(),
            _ if is_barred => self.barred(&arrival).into(),
            Route::Upgrade => self.upgrade(arrival).await,
            Route::Page => self.page(arrival, body).await.into(),
            Route::OwnSession => self.own_session(arrival).await.into(),
            Route::Forward => self.forward(arrival, body).await.into(),
        }
    }

    /// What every answer has to be before it goes to the client.
    fn finish(&self, headers: &mut HeaderMap, is_https: bool, is_chunked: bool) {
        if is_https {
            set_cookie::secure(headers, &self.readiness.cookie_name());
        }
        if is_chunked && !headers.contains_key(UPGRADE) {
            // hyper has dropped a Content-Length beside Transfer-Encoding without a word: whoever
            // sent both must not go on (RFC 9112 §6.1).
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn barred(&self, arrival: &Arrival<'_>) -> Answer {
        let user = arrival.visitor.browser.user();
        debug!(user, "not on the list");
        answers::barred(user, audience(&arrival.head.headers))
    }

    /// The session cookie of a request, by the name that t3 has for it.
    fn session_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        cookies::session_cookie(headers, &self.readiness.cookie_name())
    }

    /// Notes what a failure says of t3, and answers it.
    pub fn failed(&self, failure: &Failure, audience: Audience) -> Answer {
        self.note(failure);
        match failure {
            // Whoever cut its own body short reads no more; t3 is not to blame.
            Failure::RequestBody => answers::refused(failure.status(), "incomplete request body"),
            _ => answers::no_answer(failure.status(), &self.upstream.to_string(), audience),
        }
    }

    fn note(&self, failure: &Failure) {
        if matches!(failure, Failure::RequestBody) {
            debug!(%failure, "request cut short");
            return;
        }
        self.readiness.doubt();
        warn!(%failure, upstream = %self.upstream, "no answer from t3");
    }

    /// t3 is not up, and whoever asked has waited as long as it may.
    fn not_up(&self, audience: Audience) -> Answer {
        let status = match audience {
            Audience::Person => self.door.waiting_status(),
            Audience::Script => http::StatusCode::SERVICE_UNAVAILABLE,
        };
        let state = self.readiness.status().state;
        answers::not_up(status, &self.upstream.to_string(), state, audience)
    }
}

/// A form that a person sent is answered by a page too.
fn audience(headers: &HeaderMap) -> Audience {
    match navigation::wants_document(headers) {
        true => Audience::Person,
        false => Audience::Script,
    }
}

/// Says why, and closes the connection: what comes behind such a request cannot be told apart.
fn refused(refusal: Refusal) -> Answer {
    debug!(why = refusal.why, "request refused");
    let mut answer = answers::refused(refusal.status, refusal.why);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    answer
}

/// A request without a body, as often as it is needed.
fn bodiless(head: &Parts) -> Request<Outbound> {
    let mut request = Request::new(Outbound::Empty);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    request
}
