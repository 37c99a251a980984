//! HTTP/1.1 with one client: its requests go to the dispatch, and its time is watched.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::activity::Activity;
use crate::answers::AnswerBody;
use crate::client_io::ClientIo;
use crate::dispatch::{Client, Dispatch, Opened};
use crate::tasks::Tasks;
use crate::tunnel::Side;

/// What a client hears that speaks HTTP/2 unasked.
const NO_HTTP_2: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How HTTP ended on a connection.
pub(super) enum Ended {
    /// By itself.
    Done(TcpStream),
    /// The client has used up its time.
    TooSlow(TcpStream),
    /// By a 101: the client's side, and what the tunnel needs besides.
    Switched(Side, Opened),
}

/// Speaks HTTP until the connection is over.
pub(super) async fn speak(
    stream: TcpStream,
    peer: SocketAddr,
    dispatch: &Arc<Dispatch>,
    tasks: &Tasks,
) -> Ended {
    let limits = dispatch.limits();
    let client = Arc::new(Client::new(peer, limits));
    let tunnel = Arc::<Mutex<Option<Opened>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (dispatch, client) = (Arc::clone(dispatch), Arc::clone(&client));
        let tunnel = Arc::clone(&tunnel);
        async move {
            let outcome = dispatch.answer(request, &client).await;
            *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = outcome.opened;
            Ok::<_, Infallible>(outcome.answer.map(|body| Timed { body, client }))
        }
    });
    let io = ClientIo::new(
        stream,
        Arc::clone(&client.interim),
        Arc::clone(&client.activity),
        Arc::clone(&client.line),
        Arc::clone(&dispatch.metrics),
    );
    let mut connection = http1::Builder::new()
        .max_header_size(limits.header_limit)
        .max_buf_size(limits.header_limit)
        .serve_connection(TokioIo::new(io), service);
    let outcome = drive(&mut connection, &client.activity, tasks).await;
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if client.line.is_preface() {
        // hyper knows it and says nothing; whoever began it learns more from an answer.
        let _ = stream.write_all(NO_HTTP_2).await;
    }
    let opened = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (opened, outcome) {
        (Some(upstream), _) => {
            let early = parts.read_buf;
            Ended::Switched(Side { stream, early }, upstream)
        }
        (None, Outcome::TooSlow) => Ended::TooSlow(stream),
        (None, Outcome::Over) => Ended::Done(stream),
    }
}

/// Why [`drive`] came back.
#[derive(Debug)]
enum Outcome {
    Over,
    TooSlow,
}

/// Drives `connection` to its end, or to the end of the client's time. A drain lets the request
/// under way finish.
async fn drive<S, B>(
    connection: &mut http1::Connection<TokioIo<ClientIo>, S>,
    activity: &Activity,
    tasks: &Tasks,
) -> Outcome
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut drain = pin!(tasks.drain().cancelled());
    let mut is_draining = false;
    let mut alarm = pin!(sleep_until(activity.deadline()));
    poll_fn(|cx| {
        if !is_draining && drain.as_mut().poll(cx).is_ready() {
            is_draining = true;
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
            if let Err(error) = ended {
                debug!(%error, "client connection ended");
            }
            return Poll::Ready(Outcome::Over);
        }
        // The alarm is set anew only when it must ring earlier, or has rung too early.
        let deadline = activity.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if activity.is_over(Instant::now()) {
                debug!("client connection too slow");
                return Poll::Ready(Outcome::TooSlow);
            }
            alarm.as_mut().reset(activity.deadline());
        }
        Poll::Pending
    })
    .await
}

/// An answer's body, at whose end the client's next request may come.
struct Timed {
    body: AnswerBody,
    client: Arc<Client>,
}

impl Body for Timed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
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
