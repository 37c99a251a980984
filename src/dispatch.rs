//! One request in, one answer out: its route is found, and whoever stands there answers.

use std::sync::Arc;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use tracing::{debug, info, warn};

use crate::answers::{self, Answer, Audience};
use crate::client_io::Interim;
use crate::headers;
use crate::pairing::Pairing;
use crate::proxy;
use crate::route::{self, Route};
use crate::session;
use crate::tunnel::Side;
use crate::upstream::{Failure, Upstream};
use crate::websocket;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Dispatch {
    upstream: Arc<Upstream>,
    pairing: Pairing,
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// What the client is answered.
    pub answer: Answer,
    /// After a 101: t3's side of the tunnel that follows.
    pub tunnel: Option<Side>,
}

impl Dispatch {
    /// `upstream` is t3; `pairing` makes sessions on it.
    pub fn new(upstream: Arc<Upstream>, pairing: Pairing) -> Self {
        Self { upstream, pairing }
    }

    /// Answers one request. What t3 says before its answer goes to `interim`.
    pub async fn answer(&self, mut request: Request<Incoming>, interim: &Arc<Interim>) -> Outcome {
        let wants_websocket = websocket::asks_for_websocket(request.method(), request.headers());
        headers::strip_request(request.headers_mut());
        let route = route::of(&request, wants_websocket, session::DEFAULT_COOKIE_NAME);
        debug!(method = %request.method(), path = request.uri().path(), ?route, "request");
        match route {
            Route::Health => answers::healthy().into(),
            Route::Upgrade => self.upgrade(request).await,
            Route::Pair => self.pair(request, interim).await,
            Route::Forward => self.forward(request, interim).await,
        }
    }

    async fn forward(&self, request: Request<Incoming>, interim: &Arc<Interim>) -> Outcome {
        let audience = audience(request.headers());
        let outcome = proxy::forward(&self.upstream, request, interim).await;
        outcome
            .unwrap_or_else(|failure| self.failed(&failure, audience))
            .into()
    }

    async fn upgrade(&self, request: Request<Incoming>) -> Outcome {
        match proxy::upgrade(&self.upstream, request).await {
            Ok((answer, tunnel)) => Outcome { answer, tunnel },
            Err(failure) => self.failed(&failure, Audience::Script).into(),
        }
    }

    async fn pair(&self, request: Request<Incoming>, interim: &Arc<Interim>) -> Outcome {
        match self.pairing.pair(request.headers().get(USER_AGENT)).await {
            Ok(set_cookies) => {
                info!("paired");
                answers::paired(request.uri(), set_cookies).into()
            }
            Err(error) => {
                warn!(%error, "pairing failed, the page load goes to t3 as it is");
                self.forward(request, interim).await
            }
        }
    }

    fn failed(&self, failure: &Failure, audience: Audience) -> Answer {
        match failure {
            // Whoever cut its own body short reads no more; t3 is not to blame.
            Failure::RequestBody => debug!(%failure, "request cut short"),
            _ => warn!(%failure, upstream = %self.upstream, "no answer from t3"),
        }
        match failure.status() {
            status @ StatusCode::BAD_REQUEST => answers::refused(status, "incomplete request body"),
            status => answers::no_answer(status, &self.upstream.to_string(), audience),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            tunnel: None,
        }
    }
}

fn audience(headers: &HeaderMap) -> Audience {
    match session::wants_document(headers) && !headers.contains_key(AUTHORIZATION) {
        true => Audience::Person,
        false => Audience::Script,
    }
}
