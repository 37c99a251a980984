//! One client's connection: HTTP/1.1 until it ends or a 101 makes it one side of a tunnel.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use crate::activity::Activity;
use crate::answers::AnswerBody;
use crate::client_io::ClientIo;
use crate::dispatch::{Client, Dispatch, Opened};
use crate::tasks::Tasks;
use crate::tunnel::{Cause, Side, Tunnel};

/// What a client hears that speaks HTTP/2 unasked.
const NO_HTTP_2: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long, and how much, a client that is still sending is listened to after the last answer.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Serves `stream` until it has ended. A drain lets the request under way finish; the cut ends
/// whatever is left.
pub async fn serve(stream: TcpStream, peer: SocketAddr, dispatch: Arc<Dispatch>, tasks: Tasks) {
    // Failing to set it costs latency, and the next write tells what is wrong.
    let _ = stream.set_nodelay(true);
    let http = Box::pin(speak_http(stream, peer, &dispatch, &tasks));
    let Some((client, opened)) = tasks.cut().run_until_cancelled(http).await else {
        return;
    };
    match opened {
        Some(opened) => {
            let cause = tunnel(client, opened, peer, &tasks).await;
            if cause == Cause::UpstreamClosed {
                dispatch.tunnel_lost();
            }
        }
        None => linger(client.stream).await,
    }
}

/// Copies until one side ends it, the session has died, or the cut; returns which.
async fn tunnel(client: Side, opened: Opened, peer: SocketAddr, tasks: &Tasks) -> Cause {
    let Opened { upstream, place } = opened;
    let tunnel = Tunnel { client, upstream };
    let end = async {
        tokio::select! {
            () = tasks.cut().cancelled() => Cause::Drained,
            () = place.died().cancelled() => Cause::SessionEnded,
        }
    };
    let report = tunnel.run(end).await;
    info!(
        user = place.owner(),
        ip = %peer.ip(),
        dur_ms = report.duration.as_millis() as u64,
        bytes_up = report.bytes_up,
        bytes_down = report.bytes_down,
        cause = %report.cause,
        "ws close"
    );
    report.cause
}

/// Speaks HTTP until the connection is over; returns it, and what a tunnel needs where one follows.
async fn speak_http(
    stream: TcpStream,
    peer: SocketAddr,
    dispatch: &Arc<Dispatch>,
    tasks: &Tasks,
) -> (Side, Option<Opened>) {
    let limits = dispatch.limits();
    let client = Arc::new(Client::new(peer, limits));
    let tunnel = Arc::<Mutex<Option<Opened>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (dispatch, client) = (Arc::clone(dispatch), Arc::clone(&client));
        let tunnel = Arc::clone(&tunnel);
        async move {
            let outcome = dispatch.answer(request, &client).await;
            *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = outcome.tunnel;
            Ok::<_, Infallible>(outcome.answer.map(|body| Timed { body, client }))
        }
    });
    let io = ClientIo::new(
        stream,
        Arc::clone(&client.interim),
        Arc::clone(&client.activity),
        Arc::clone(&client.line),
    );
    let mut connection = http1::Builder::new()
        .max_header_size(limits.header_limit)
        .max_buf_size(limits.header_limit)
        .serve_connection(TokioIo::new(io), service);
    let outcome = drive(&mut connection, &client.activity, tasks).await;
    if let Err(why) = outcome {
        debug!(%peer, why, "client connection ended");
    }
    let parts = connection.into_parts();
    let mut side = Side {
        stream: parts.io.into_inner().into_inner(),
        early: parts.read_buf,
    };
    if client.line.is_preface() {
        // hyper knows it and says nothing; whoever began it learns more from an answer.
        let _ = side.stream.write_all(NO_HTTP_2).await;
    }
    let tunnel = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    (side, tunnel)
}

/// Drives `connection` to its end, or to the end of the client's time. A drain lets the request
/// under way finish.
async fn drive<S, B>(
    connection: &mut http1::Connection<TokioIo<ClientIo>, S>,
    activity: &Activity,
    tasks: &Tasks,
) -> Result<(), String>
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
            return Poll::Ready(ended.map_err(|error| error.to_string()));
        }
        // The alarm is set anew only when it must ring earlier, or has rung too early.
        let deadline = activity.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if activity.is_over(Instant::now()) {
                return Poll::Ready(Err("too slow".to_owned()));
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

/// Ends a connection so that the last answer arrives: closing a socket on which something unread
/// waits resets it, and a reset may overtake the answer (RFC 9112 §9.6).
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = stream.take(LINGER_BYTES as u64);
    let drained = tokio::time::timeout(LINGER_TIME, async {
        let mut chunk = [0; 4096];
        while matches!(rest.read(&mut chunk).await, Ok(read) if read > 0) {}
    });
    let _ = drained.await;
}
