//! A request that has come in, its client, and what is to become of both.

use std::net::IpAddr;

use http::request::Parts;
use tokio::time::Instant;

use crate::access::Visitor;
use crate::http_rules::request_id::RequestId;
use crate::probe;
use crate::responses::Answer;
use crate::state::client::Client;
use crate::tunnel::Side;
use crate::tunnel::registry::TunnelRegistration;

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
    Probe(probe::ProbePermit),
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
    pub registration: TunnelRegistration,
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

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            opened: None,
        }
    }
}
