//! The context of a request on its way through the router, and what the router responds.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use http::request::Parts;
use tokio::time::Instant;

use crate::access::visitor::Visitor;
use crate::http_rules::frame_ancestors;
use crate::http_rules::request_id::RequestId;
use crate::probe;
use crate::responses::ClientResponse;
use crate::state::client::Client;
use crate::state::instance::Instance;
use crate::tunnel::Side;
use crate::tunnel::registry::TunnelRegistration;
use crate::upstream::request_body::Outbound;
use crate::upstream::usage::InUse;

/// A request without its body, and what is known about it.
#[derive(Debug)]
pub(super) struct RequestContext<'a> {
    /// Its head as t3 is to see it.
    pub(super) head: Parts,
    pub(super) visitor: Visitor,
    pub(super) client: &'a Client,
    pub(super) arrived: Instant,
    pub(super) id: RequestId,
    /// The fast path has sent it to t3 already, which closed the connection.
    pub(super) is_repeated: bool,
    /// The value of a session cookie that was taken off, as the dispatcher made that session for somebody
    /// else: a new one replaces it in this browser.
    pub(super) replaced: Option<Box<[u8]>>,
    /// Whose t3 an app's request is for, by its host name, where each person has another one.
    pub(super) user: Option<Arc<str>>,
}

/// The response to a request, and what follows it.
#[derive(Debug)]
pub struct RoutedResponse {
    /// The response.
    pub response: ClientResponse,
    /// After a 101: what follows.
    pub after_switch: Option<AfterSwitch>,
    /// Is it that of a dispatcher behind this one? Then it is as a browser is to have it.
    pub is_of_inner: bool,
    /// The use of t3 that lasts as long as the response.
    pub in_use: Option<InUse>,
}

/// What follows a 101.
#[derive(Debug)]
pub enum AfterSwitch {
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
    /// The client's address.
    pub address: IpAddr,
    /// The id of the request that opened it.
    pub request_id: RequestId,
    /// Its registration among the tunnels.
    pub registration: TunnelRegistration,
    /// The t3 that it leads to.
    pub instance: Arc<Instance>,
    /// The use of it.
    pub in_use: InUse,
}

impl RequestContext<'_> {
    /// The person, if one is known.
    pub(super) fn identity(&self) -> Option<&str> {
        self.visitor.browser.identity.as_deref()
    }

    /// The person whose t3 it is for, if that is not everybody's.
    pub(super) fn whose(&self) -> Option<&str> {
        self.user.as_deref().or(self.identity())
    }

    /// The request with `body` for t3, as often as it is needed.
    pub(super) fn request(&self, body: Outbound) -> Request<Outbound> {
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = self.head.version;
        *request.headers_mut() = self.head.headers.clone();
        frame_ancestors::drop_conditions_of_page(&self.head.method, request.headers_mut());
        request
    }
}

impl From<ClientResponse> for RoutedResponse {
    fn from(response: ClientResponse) -> Self {
        Self {
            response,
            after_switch: None,
            is_of_inner: false,
            in_use: None,
        }
    }
}

impl RoutedResponse {
    /// The response of a dispatcher behind this one.
    pub(super) fn of_inner(response: ClientResponse) -> Self {
        Self {
            is_of_inner: true,
            ..response.into()
        }
    }
}
