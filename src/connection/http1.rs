//! HTTP/1.1 with one client through hyper: its requests go to the router, under its deadlines.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use crate::connection::client_io::ClientIo;
use crate::connection::{Watched, watch};
use crate::fast_path::ClientConnection;
use crate::http_rules::{MAX_FIELDS, header_map};
use crate::process::Tasks;
use crate::responses::body::{BodyError, ResponseBody};
use crate::responses::message::message;
use crate::router::context::AfterSwitch;
use crate::router::device::DeviceRouter;
use crate::router::{self, Router};
use crate::state::Services;
use crate::state::client::{Client, Door};
use crate::state::deadlines::Deadlines;
use crate::tunnel::Side;
use crate::upstream::usage::InUse;

/// How long a client may take for the response by which its connection ends.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// How HTTP ended on a connection.
pub(super) enum HttpEnd {
    /// By itself.
    Done(TcpStream),
    /// Every response is with the client: the next request may go another way.
    AtRest(ClientConnection),
    /// A deadline of the client has passed.
    TooSlow(TcpStream),
    /// The drain is at its deadline.
    Cut,
    /// By a 101: the client's side, and what follows.
    Switched(Side, AfterSwitch),
}

/// Answers what has come on the connection, and what comes until every response is with the client;
/// until its end if there is no fast path to hand it back to.
pub(super) async fn speak(
    client_connection: ClientConnection,
    client: &Arc<Client>,
    services: &Arc<Services>,
    tasks: &Tasks,
) -> HttpEnd {
    let after = AfterLast::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (services, client) = (Arc::clone(services), Arc::clone(client));
        let after = Arc::clone(&after);
        async move { Ok::<_, Infallible>(answer(request, &services, client, &after).await) }
    });
    client.scan.begin();
    let io = ClientIo::new(
        client_connection.stream,
        Bytes::from(client_connection.unread),
        Arc::clone(client),
        Arc::clone(&services.metrics),
    );
    let header_limit = services.limits.header_limit;
    let mut connection = http1::Builder::new()
        .max_headers(MAX_FIELDS)
        .max_header_size(header_limit)
        .max_buf_size(header_limit)
        .serve_connection(TokioIo::new(io), service);
    let hands_back = services.fast_path && client.may_be_fast();
    let watched = drive(&mut connection, &client.deadlines, tasks, hands_back).await;
    let parts = connection.into_parts();
    let (mut stream, rest) = parts.io.into_inner().into_parts();
    let unread = match rest.is_empty() {
        true => parts.read_buf,
        false => [parts.read_buf, rest].concat().into(),
    };
    refuse(&mut stream, client, services).await;
    let opened = after.lock().take();
    match (opened, watched) {
        (_, Watched::Cut) => HttpEnd::Cut,
        (Some(upstream), _) => {
            let early = unread;
            HttpEnd::Switched(Side { stream, early }, upstream)
        }
        (None, Watched::TooSlow) => HttpEnd::TooSlow(stream),
        (None, Watched::Idle | Watched::Over(HyperEnd::Ended)) => HttpEnd::Done(stream),
        (None, Watched::Over(HyperEnd::AtRest)) => HttpEnd::AtRest(ClientConnection {
            stream,
            unread: unread.into(),
        }),
    }
}

/// Writes the refusal of what can never be served, where there is one: hyper knows of nothing but the end.
async fn refuse(stream: &mut TcpStream, client: &Client, services: &Services) {
    let Some((refusal, is_head)) = client.scan.refusal() else {
        return;
    };
    let ids = &services.request_ids;
    let mut response = router::valid_request::refused(refusal, &ids.numbered(ids.number()));
    if client.door == Door::Device {
        router::device::finish(&mut response);
    }
    let message = message(response, is_head, false).unwrap_or_default();
    let _ = timeout(REFUSAL_TIME, stream.write_all(&message)).await;
}

/// What follows the last response, where it is a 101.
type AfterLast = Arc<Mutex<Option<AfterSwitch>>>;

/// Answers one request, and keeps what follows its response.
async fn answer(
    request: Request<Incoming>,
    services: &Services,
    client: Arc<Client>,
    after: &AfterLast,
) -> Response<TimedBody> {
    let mut routed = match client.door {
        Door::Public => Router::new(services).respond(request, &client).await,
        Door::Device => DeviceRouter::new(services).respond(request, &client).await,
    };
    let is_switch = routed.response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = routed.response.headers_mut();
    let is_closed = header_map::has_token(headers, &CONNECTION, "close");
    // Where the next request begins is not known before all of this one is here (RFC 9112 §9.3).
    let is_last = client.deadlines.is_body_unread()
        || services.tasks.is_leaving()
        || client.is_on_spare_place;
    if is_last && !is_switch && !is_closed {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
    if is_last || is_switch || is_closed {
        // What comes after this is no request.
        client.deadlines.end_after_this();
    }
    let (is_relayed, private) = match routed.response.body() {
        ResponseBody::Own(bytes) if bytes.is_unique() => (false, bytes.len()),
        ResponseBody::Own(_) => (false, 0),
        _ => (true, 0),
    };
    client.held.response_is(is_relayed, private);
    *after.lock() = routed.after_switch;
    let _in_use = routed.in_use;
    routed.response.map(|body| TimedBody {
        body,
        client,
        _in_use,
    })
}

/// Why hyper has nothing more to do.
enum HyperEnd {
    /// The connection has ended.
    Ended,
    /// Every response is with the client.
    AtRest,
}

/// Drives `connection` until it has ended or, if `hands_back`, is at rest. A drain lets the request
/// under way finish.
async fn drive<S, B>(
    connection: &mut http1::Connection<TokioIo<ClientIo>, S>,
    deadlines: &Deadlines,
    tasks: &Tasks,
    hands_back: bool,
) -> Watched<HyperEnd>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut knows_of_drain = false;
    watch(deadlines, tasks, |cx, is_draining| {
        let mut polled = Pin::new(&mut *connection).poll(cx);
        if is_draining && !knows_of_drain && polled.is_pending() {
            // What had come before the drain has been read by now.
            knows_of_drain = true;
            Pin::new(&mut *connection).graceful_shutdown();
            polled = Pin::new(&mut *connection).poll(cx);
        }
        match polled {
            Poll::Ready(ended) => {
                if let Err(error) = ended {
                    debug!(%error, "client connection ended");
                }
                Poll::Ready(HyperEnd::Ended)
            }
            Poll::Pending if hands_back && deadlines.is_at_rest() => Poll::Ready(HyperEnd::AtRest),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A response's body, at whose end the client's next request may come.
struct TimedBody {
    body: ResponseBody,
    client: Arc<Client>,
    _in_use: Option<InUse>,
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.client.exchange_ended();
    }
}
