//! A request that has come in, its client, and what is to become of both.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::answers::Answer;
use crate::client_io::Interim;
use crate::config::LimitsConfig;
use crate::door::Visitor;
use crate::request_line::RequestLine;
use crate::tunnel::Side;
use crate::tunnels::Place;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// Where to say something before the answer.
    pub interim: Arc<Interim>,
    /// How long it may take for what.
    pub activity: Arc<Activity>,
    /// What its latest request line was like.
    pub line: Arc<RequestLine>,
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// What the client is answered.
    pub answer: Answer,
    /// After a 101: the other side of the tunnel that follows.
    pub tunnel: Option<Opened>,
}

/// A tunnel that is to begin.
#[derive(Debug)]
pub struct Opened {
    /// t3's side of it.
    pub upstream: Side,
    /// Its place among the others.
    pub place: Place,
}

/// A request without its body, and who it is from.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) head: Parts,
    pub(super) visitor: Visitor,
    pub(super) client: &'a Client,
    pub(super) at: Instant,
}

impl Client {
    /// The one at `peer`.
    pub fn new(peer: SocketAddr, limits: LimitsConfig) -> Self {
        Self {
            peer,
            interim: Arc::default(),
            activity: Arc::new(Activity::new(limits)),
            line: Arc::default(),
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
