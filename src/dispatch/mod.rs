//! One request in, one answer out: its route is found, and whoever stands there answers.

mod fetch;
mod heal;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::answers::{self, Answer, Audience};
use crate::browser::Browser;
use crate::client_io::Interim;
use crate::config::DoorConfig;
use crate::headers;
use crate::identity;
use crate::pairing::Pairing;
use crate::readiness::Readiness;
use crate::route::{self, Route};
use crate::session;
use crate::tunnel::Side;
use crate::upstream::{Failure, Outbound, Upstream};
use crate::websocket;

/// How long t3 may leave a page or an upgrade without an answer before it is asked again on a new
/// connection: what arrives in its first second is never answered (contract §7).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a page or an upgrade is tried that meets a t3 which is just going or coming.
const MOST_ATTEMPTS: usize = 4;

/// Everything that answering a request takes.
#[derive(Debug)]
pub struct Dispatch {
    door: DoorConfig,
    upstream: Arc<Upstream>,
    readiness: Arc<Readiness>,
    pairing: Pairing,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// Where to say something before the answer.
    pub interim: Arc<Interim>,
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
    /// `upstream` is t3, `readiness` knows whether it is there, `pairing` makes sessions on it.
    pub fn new(
        door: DoorConfig,
        upstream: Arc<Upstream>,
        readiness: Arc<Readiness>,
        pairing: Pairing,
    ) -> Self {
        Self {
            door,
            upstream,
            readiness,
            pairing,
        }
    }

    /// Answers one request of `client`.
    pub async fn answer(&self, mut request: Request<Incoming>, client: &Client) -> Outcome {
        let arrived = Instant::now();
        let wants_websocket = websocket::asks_for_websocket(request.method(), request.headers());
        headers::strip_request(request.headers_mut());
        let route = route::of(&request, wants_websocket);
        debug!(method = %request.method(), path = request.uri().path(), ?route, "request");
        match route {
            Route::Health => answers::healthy().into(),
            Route::Ready => answers::ready(self.readiness.status().state).into(),
            Route::Upgrade => self.upgrade(request.into_parts().0, client, arrived).await,
            Route::Page => self
                .page(request.into_parts().0, client, arrived)
                .await
                .into(),
            Route::OwnSession => self
                .own_session(request.into_parts().0, client, arrived)
                .await
                .into(),
            Route::Forward => self.forward(request, client).await.into(),
        }
    }

    /// A tunnel was ended by t3's side: is t3 still there?
    pub fn tunnel_lost(&self) {
        self.readiness.doubt();
    }

    fn browser(&self, headers: &HeaderMap, client: &Client) -> Browser {
        let header = self.door.identity_header.as_ref();
        Browser {
            identity: header.and_then(|name| identity::stated(headers, name)),
            user_agent: headers.get(USER_AGENT).cloned(),
            address: client.peer.ip(),
        }
    }

    /// The session cookie of a request, by the name that t3 has for it.
    fn session_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        session::session_cookie(headers, &self.readiness.cookie_name())
    }

    /// Makes `attempt` while t3 is up, until it succeeds: waits for t3 until `deadline`, and leaves
    /// what a t3 was asked that then went away. Each attempt is given the time that it has. `None`
    /// where t3 was not up in time.
    async fn persist<T, F>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut(Duration) -> F,
    ) -> Option<Result<T, Failure>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let patience = self.upstream.response_timeout();
        let mut failures = 0;
        loop {
            if !self.readiness.is_up_by(deadline).await {
                return None;
            }
            let is_last = failures + 1 >= MOST_ATTEMPTS;
            let limit = if is_last {
                patience
            } else {
                ATTEMPT_TIMEOUT.min(patience)
            };
            let outcome = tokio::select! {
                outcome = attempt(limit) => outcome,
                () = self.readiness.is_gone() => continue,
            };
            match outcome {
                Err(failure) if !is_last => self.note(&failure),
                outcome => return Some(outcome),
            }
            failures += 1;
        }
    }

    /// Notes what a failure says of t3, and answers it.
    fn failed(&self, failure: &Failure, audience: Audience) -> Answer {
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
            Audience::Person => self.door.waiting_status,
            Audience::Script => http::StatusCode::SERVICE_UNAVAILABLE,
        };
        let state = self.readiness.status().state;
        answers::not_up(status, &self.upstream.to_string(), state, audience)
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

/// A request without a body, as often as it is needed.
fn bodiless(head: &Parts) -> Request<Outbound> {
    let mut request = Request::new(Outbound::Empty);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    request
}
