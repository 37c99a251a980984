//! A request that has come in, its client, and what is to become of both.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::request::Parts;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::answers::Answer;
use crate::client_io::Interim;
use crate::config::LimitsConfig;
use crate::door::Visitor;
use crate::probe;
use crate::request_id::RequestId;
use crate::request_line::RequestLine;
use crate::tunnel::Side;
use crate::tunnels::Membership;

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
    /// For how many nanoseconds its latest request has waited for t3.
    waited: AtomicU64,
}

/// A wait for t3, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    client: &'a Client,
    since: Instant,
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// What the client is answered.
    pub answer: Answer,
    /// After a 101: what follows.
    pub opened: Option<Opened>,
}

/// What follows a 101.
#[derive(Debug)]
pub enum Opened {
    /// A tunnel to t3.
    Tunnel(Box<OpenTunnel>),
    /// A WebSocket that ends here.
    Probe(probe::Place),
}

/// A tunnel that is to begin.
#[derive(Debug)]
pub struct OpenTunnel {
    /// t3's side of it.
    pub upstream: Side,
    /// Where the client is.
    pub address: IpAddr,
    /// What the request was called that opened it.
    pub request_id: RequestId,
    /// Its place among the others.
    pub membership: Membership,
}

/// A request without its body, and who it is from.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) head: Parts,
    pub(super) visitor: Visitor,
    pub(super) client: &'a Client,
    pub(super) at: Instant,
    pub(super) id: RequestId,
}

impl Client {
    /// The one at `peer`.
    pub fn new(peer: SocketAddr, limits: LimitsConfig) -> Self {
        Self {
            peer,
            interim: Arc::default(),
            activity: Arc::new(Activity::new(limits)),
            line: Arc::default(),
            waited: AtomicU64::new(0),
        }
    }

    /// Its request waits for t3 from now on.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        Waiting {
            client: self,
            since: Instant::now(),
        }
    }

    /// How long its latest request has waited; the next one begins with nothing.
    pub(super) fn take_waited(&self) -> Duration {
        Duration::from_nanos(self.waited.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed().as_nanos() as u64;
        self.client.waited.fetch_add(waited, Ordering::Relaxed);
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            opened: None,
        }
    }
}
