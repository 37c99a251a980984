//! One request in, one answer out: its route is found, and whoever stands there answers.

pub mod context;
pub mod failure;
pub mod forward;
pub mod heal;
pub mod manifest;
pub mod page;
pub mod probe;
pub mod retry;
pub mod route;
pub mod upgrade;

use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::debug;

use crate::access::Standing;
use crate::http_rules::request_id::X_REQUEST_ID;
use crate::http_rules::{cookies, header_policy, validation, websocket};
use crate::metrics::requests::{Answered, Class, Kind};
use crate::responses;
use crate::router::context::{Arrival, Outcome};
use crate::router::failure::{error_format, refused};
use crate::router::route::Route;
use crate::state::Services;
use crate::state::client::Client;
use crate::upstream::request_body::Outbound;

/// Answers requests with the services.
#[derive(Debug, Clone, Copy)]
pub struct Router<'a> {
    services: &'a Services,
}

impl<'a> Router<'a> {
    /// One that uses `services`.
    pub fn new(services: &'a Services) -> Self {
        Self { services }
    }
}

impl Router<'_> {
    /// Answers one request of `client`.
    pub async fn answer(&self, request: Request<Incoming>, client: &Client) -> Outcome {
        let at = Instant::now();
        let (kind, outcome) = self.admit(request, client, at).await;
        self.services.metrics.answered(Answered {
            kind,
            class: Class::of(outcome.answer.status().as_u16()),
            took: at.elapsed(),
            waited: client.take_waited(),
        });
        outcome
    }

    /// Lets a request in if it is clean, and has it answered.
    async fn admit(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
        at: Instant,
    ) -> (Kind, Outcome) {
        let id = self.services.request_ids.of(request.headers());
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        if let Err(refusal) = client
            .line
            .check()
            .and_then(|()| validation::check(&mut request))
        {
            client.deadlines.exchange_began(None);
            return (Kind::Invalid, refused(refusal, &id).into());
        }
        let wants_websocket = websocket::is_asked_for(request.headers());
        header_policy::strip_request(request.headers_mut());
        if wants_websocket && let Err(refusal) = validation::check_handshake(&request) {
            client.deadlines.exchange_began(None);
            return (Kind::Invalid, refused(refusal, &id).into());
        }
        let visitor = self
            .services
            .door
            .admit(request.headers_mut(), client.peer.ip());
        request.headers_mut().insert(X_REQUEST_ID, id.value());
        let route = route::of(&request, wants_websocket);
        let kind = kind(route, request.uri().path());
        debug!(method = %request.method(), path = request.uri().path(), ?route, request_id = %id, "request");
        let is_https = visitor.is_https;
        let (head, body) = request.into_parts();
        let body = Outbound::of_client(body);
        client.deadlines.exchange_began(body.upload());
        let arrival = Arrival {
            head,
            visitor,
            client,
            at,
            id,
        };
        let mut outcome = self.route(route, arrival, body).await;
        self.finish(outcome.answer.headers_mut(), is_https, is_chunked);
        (kind, outcome)
    }

    async fn route(&self, route: Route, arrival: Arrival<'_>, body: Outbound) -> Outcome {
        let is_barred = arrival.visitor.standing == Standing::Barred;
        match route {
            Route::Health => responses::healthy().into(),
            Route::Ready => responses::ready(self.services.readiness.status().state).into(),
            _ if is_barred => self.barred(&arrival).into(),
            Route::Probe => self.probe(&arrival),
            Route::NoProbe => probe::upgrade_required(&arrival.id).into(),
            Route::Upgrade => self.upgrade(arrival).await,
            Route::Page => self.page(arrival, body).await.into(),
            Route::OwnSession => self.own_session(arrival).await.into(),
            Route::Manifest => self.manifest(arrival).await.into(),
            Route::Forward => self.forward(arrival, body).await.into(),
        }
    }

    /// What every answer has to be before it goes to the client.
    fn finish(&self, headers: &mut HeaderMap, is_https: bool, is_chunked: bool) {
        if is_https {
            cookies::secure(headers, &self.services.readiness.cookie_name());
        }
        if is_chunked && !headers.contains_key(UPGRADE) {
            // hyper has dropped a Content-Length beside Transfer-Encoding without a word: whoever
            // sent both must not go on (RFC 9112 §6.1).
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// The session cookie of a request, by the name that t3 has for it.
    fn session_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        cookies::session_cookie(headers, &self.services.readiness.cookie_name())
    }
}

/// What a request is counted as.
fn kind(route: Route, path: &str) -> Kind {
    match route {
        Route::Health | Route::Ready | Route::Probe | Route::NoProbe => Kind::Probe,
        Route::Page => Kind::Page,
        Route::Upgrade => Kind::Upgrade,
        Route::Forward if path.starts_with("/assets/") => Kind::Asset,
        Route::Forward | Route::Manifest | Route::OwnSession => Kind::Fetch,
    }
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
