//! HTTP/1.1 with one client: its requests go to the services, and its time is watched.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tracing::debug;

use crate::connection::client_io::ClientIo;
use crate::connection::deadline_watch::{Watched, watch};
use crate::fast_path::Lane;
use crate::process::tasks::Tasks;
use crate::responses::body::{BodyError, ResponseBody};
use crate::router::Router;
use crate::router::context::Opened;
use crate::state::Services;
use crate::state::client::Client;
use crate::state::deadlines::Activity;
use crate::tunnel::Side;

/// What a client hears that speaks HTTP/2 unasked.
const NO_HTTP_2: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How HTTP ended on a connection.
pub(super) enum Ended {
    /// By itself.
    Done(TcpStream),
    /// Every answer is with the client: what comes next may go another way.
    AtRest(Lane),
    /// The client has used up its time.
    TooSlow(TcpStream),
    /// The drain has come to its deadline.
    Cut,
    /// By a 101: the client's side, and what the tunnel needs besides.
    Switched(Side, Opened),
}

/// Answers what has come on `lane`, and what comes until every answer is with the client.
pub(super) async fn speak(
    lane: Lane,
    client: &Arc<Client>,
    services: &Arc<Services>,
    tasks: &Tasks,
) -> Ended {
    let behind = Behind::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (services, client) = (Arc::clone(services), Arc::clone(client));
        let behind = Arc::clone(&behind);
        async move { Ok::<_, Infallible>(answer(request, &services, client, &behind).await) }
    });
    client.line.begin();
    let io = ClientIo::new(
        lane.stream,
        Bytes::from(lane.came),
        Arc::clone(&client.interim),
        Arc::clone(&client.activity),
        Arc::clone(&client.line),
        Arc::clone(&services.metrics),
    );
    let header_limit = services.limits.header_limit;
    let mut connection = http1::Builder::new()
        .max_header_size(header_limit)
        .max_buf_size(header_limit)
        .serve_connection(TokioIo::new(io), service);
    let watched = drive(&mut connection, &client.activity, tasks).await;
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if client.line.is_preface() {
        // hyper knows it and says nothing; whoever began it learns more from an answer.
        let _ = stream.write_all(NO_HTTP_2).await;
    }
    let opened = behind.lock().take();
    match (opened, watched) {
        (_, Watched::Cut) => Ended::Cut,
        (Some(upstream), _) => {
            let early = parts.read_buf;
            Ended::Switched(Side { stream, early }, upstream)
        }
        (None, Watched::TooSlow) => Ended::TooSlow(stream),
        (None, Watched::Over(Over::Ended)) => Ended::Done(stream),
        (None, Watched::Over(Over::AtRest)) => Ended::AtRest(Lane {
            stream,
            came: parts.read_buf.into(),
        }),
    }
}

/// What follows the last answer, where it is a 101.
type Behind = Arc<Mutex<Option<Opened>>>;

/// Answers one request, and keeps what follows it.
async fn answer(
    request: Request<Incoming>,
    services: &Services,
    client: Arc<Client>,
    behind: &Behind,
) -> Response<Timed> {
    let outcome = Router::new(services).answer(request, &client).await;
    if outcome.answer.headers().contains_key(CONNECTION) {
        // Closed, or another protocol: what comes behind this is no request.
        client.activity.end_with_this();
    }
    *behind.lock() = outcome.opened;
    outcome.answer.map(|body| Timed { body, client })
}

/// Why hyper has nothing more to do.
enum Over {
    /// The connection has ended.
    Ended,
    /// Every answer is with the client.
    AtRest,
}

/// Drives `connection` until it has ended or is at rest. A drain lets the request under way finish.
async fn drive<S, B>(
    connection: &mut http1::Connection<TokioIo<ClientIo>, S>,
    activity: &Activity,
    tasks: &Tasks,
) -> Watched<Over>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut knows_of_drain = false;
    watch(activity, tasks, |cx, is_draining| {
        if is_draining && !knows_of_drain {
            knows_of_drain = true;
            Pin::new(&mut *connection).graceful_shutdown();
        }
        match Pin::new(&mut *connection).poll(cx) {
            Poll::Ready(ended) => {
                if let Err(error) = ended {
                    debug!(%error, "client connection ended");
                }
                Poll::Ready(Over::Ended)
            }
            Poll::Pending if activity.is_at_rest() => Poll::Ready(Over::AtRest),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// An answer's body, at whose end the client's next request may come.
struct Timed {
    body: ResponseBody,
    client: Arc<Client>,
}

impl Body for Timed {
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

impl Drop for Timed {
    fn drop(&mut self) {
        self.client.line.begin();
        self.client.activity.end();
    }
}
