//! The fast path: eligible requests are forwarded in the client's own task, from buffer to buffer.
//!
//! Most requests are a GET or HEAD without a body that is certainly forwarded, and most of what a hop
//! costs is what an HTTP library does to read and write any message there is. Such a request is
//! forwarded line by line instead. Whatever is not certainly eligible is left, as it came, to hyper
//! and the router; so is an eligible one for which t3 closed its connection before it sent a byte.

pub(crate) mod buffers;
pub(crate) mod exchange;
pub(crate) mod framing;
pub(crate) mod head_writer;
pub(crate) mod header_lines;
pub(crate) mod io;
pub(crate) mod kept;
pub(crate) mod normalized_head;
pub mod request;
pub(crate) mod request_id;
pub mod request_writer;
pub(crate) mod response;
pub(crate) mod splice;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::debug;

use crate::access::inner::InnerDispatcher;
use crate::fast_path::exchange::{Exchange, ExchangeEnd};
use crate::fast_path::request::{EligibleRequest, IsSettled, rewrite};
use crate::fast_path::request_writer::{Files, Rules};
use crate::http_rules::path_secrets;
use crate::metrics::requests::Stream;
use crate::process::Tasks;
use crate::state::Services;
use crate::state::client::Client;
use crate::state::instance::Instance;
use crate::upstream::socket::Socket;

/// A client's connection, and the bytes that came on it and have not been answered.
#[derive(Debug)]
pub struct ClientConnection {
    /// The socket.
    pub stream: TcpStream,
    /// What came and has not been answered.
    pub unread: Vec<u8>,
}

/// Why the fast path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastPathEnd {
    /// The connection is over.
    Closed,
    /// It is over, and the client must not take what it has for the whole response.
    Broken,
    /// What came is not eligible.
    Ineligible,
}

/// Answers eligible requests until another one comes, or the connection is over. Does not wait for
/// the rest of a head: a client that sends one in pieces is served by hyper's way.
pub async fn serve(
    connection: &mut ClientConnection,
    client: &Client,
    services: &Services,
    tasks: &Tasks,
) -> FastPathEnd {
    let rules = rules_for(client, services);
    loop {
        if connection.unread.is_empty() {
            match connection.first_bytes(tasks).await {
                Ok(count) if count > 0 => services.metrics.received(Stream::Http, count as u64),
                _ => return FastPathEnd::Closed,
            }
        }
        let arrived = Instant::now();
        let mut to_upstream = buffers::take();
        let unread = &connection.unread;
        if let Some(kept) = kept::find(unread, &rules, services, arrived, &mut to_upstream) {
            log(&kept.request, unread, services);
            match kept
                .run(connection, client, services, arrived, to_upstream)
                .await
            {
                true => continue,
                false => return FastPathEnd::Closed,
            }
        }
        let eligible = eligible(unread, &rules, services, arrived, &mut to_upstream);
        let upstream = match &eligible {
            Some((_, instance)) => ConnectionToT3::get(instance, client, arrived).await,
            None => None,
        };
        let (Some((request, instance)), Some(upstream)) = (&eligible, upstream) else {
            buffers::give(to_upstream);
            client.deadlines.head_began(arrived);
            return FastPathEnd::Ineligible;
        };
        log(request, &connection.unread, services);
        let _in_use = instance.usage.begin();
        let exchange = Exchange::new(connection, upstream, client, services, instance, arrived);
        match exchange.run(*request, to_upstream).await {
            ExchangeEnd::Unanswered => {
                client.deadlines.head_began(arrived);
                client.repeats();
                return FastPathEnd::Ineligible;
            }
            ExchangeEnd::Last => return FastPathEnd::Closed,
            ExchangeEnd::Broken => return FastPathEnd::Broken,
            ExchangeEnd::Answered => {}
        }
        connection.unread.drain(..request.length);
        client.deadlines.exchange_ended();
    }
}

/// The rules for the requests of `client`.
fn rules_for<'a>(client: &Client, services: &'a Services) -> Rules<'a> {
    // What may be a file is looked at on its way back, or is kept here.
    let files = match services.has_assets {
        false => Files::Eligible,
        true if services.instances.may_have_inner() => Files::OfInner,
        true => Files::Ineligible,
    };
    let (access, ids) = (&services.access, &services.request_ids);
    Rules::new(access, ids, client.peer.ip(), files)
}

/// The request that `unread` begins with, whose head for t3 is written `to_upstream`, and the t3 that it is
/// for: where it is eligible, and t3 surely there.
fn eligible(
    unread: &[u8],
    rules: &Rules<'_>,
    services: &Services,
    now: Instant,
    to_upstream: &mut Vec<u8>,
) -> Option<(EligibleRequest, Arc<Instance>)> {
    let is_known = services.access.is_fresh(now);
    let locate = |identity: Option<&str>| {
        let instance = services.instances.known(identity)?;
        let inner = instance.inner.as_ref();
        let is_told = inner.is_none_or(|inner| inner.is_fresh(now));
        (is_told && instance.readiness.is_surely_up()).then_some(instance)
    };
    let is_settled: &IsSettled<'_, Arc<Instance>> = &|instance, cookies, identity, rights| {
        let name = instance.readiness.cookie_name();
        let owners = instance.pairing.owners();
        owners.is_settled(cookies, &name, identity, rights)
    };
    let rewritten =
        is_known.then(|| rewrite(unread, rules, locate, inner_of, is_settled, to_upstream));
    rewritten.flatten()
}

fn inner_of(instance: &Arc<Instance>) -> Option<&InnerDispatcher> {
    instance.inner.as_ref()
}

/// A connection to t3 for one exchange.
pub(super) struct ConnectionToT3<'a> {
    socket: Socket,
    /// Ready once what was sent on it is lost: only on a new one t3 may never respond (contract §7).
    lost: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

impl<'a> ConnectionToT3<'a> {
    /// An idle one, or a new one where t3 is surely there; none where it is not, or takes no connection.
    async fn get(instance: &'a Instance, client: &Client, now: Instant) -> Option<Self> {
        if let Some(socket) = instance.upstream.idle(now) {
            return Some(Self { socket, lost: None });
        }
        if !instance.look(now) {
            return None;
        }
        // Connecting takes a while where an address gives no answer.
        client.deadlines.exchange_began(None);
        let seen = instance.readiness.silences();
        let stream = instance.upstream.connect_bare().await.ok()?;
        let lost = Box::pin(instance.readiness.wait_until_lost(seen));
        Some(Self {
            socket: stream.into(),
            lost: Some(lost),
        })
    }
}

/// Logs `request`, which `bytes` begin with, as hyper's way logs its own.
fn log(request: &EligibleRequest, bytes: &[u8], services: &Services) {
    debug!(
        method = request.method(),
        path = &*path_secrets::shown(request.path(bytes)),
        route = "fast path",
        request_id = %request.id(bytes, &services.request_ids),
        "request"
    );
}

impl ClientConnection {
    /// Reads what comes next; nothing at the end of the connection, or if nothing has come when the
    /// drain begins.
    async fn first_bytes(&mut self, tasks: &Tasks) -> std::io::Result<usize> {
        poll_fn(|cx| self.poll_first_bytes(cx, tasks)).await
    }

    fn poll_first_bytes(
        &mut self,
        cx: &mut Context<'_>,
        tasks: &Tasks,
    ) -> Poll<std::io::Result<usize>> {
        buffers::make_room(&mut self.unread, 1);
        let read = pin!(self.stream.read_buf(&mut self.unread)).poll(cx);
        if read.is_pending() && tasks.is_draining() {
            // Nothing has come before the drain.
            return Poll::Ready(Ok(0));
        }
        // An idle connection holds no buffer.
        buffers::give_if_empty(&mut self.unread);
        read
    }
}
