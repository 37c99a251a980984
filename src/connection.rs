//! One client's connection: HTTP/1.1 until it ends or a 101 makes it one side of a tunnel.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::{debug, info};

use crate::client_io::{ClientIo, Interim};
use crate::dispatch::{Client, Dispatch};
use crate::tasks::Tasks;
use crate::tunnel::{Cause, Report, Side, Tunnel};

/// How long, and how much, a client that is still sending is listened to after the last answer.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Serves `stream` until it has ended. A drain lets the request under way finish; the cut ends
/// whatever is left.
pub async fn serve(stream: TcpStream, peer: SocketAddr, dispatch: Arc<Dispatch>, tasks: Tasks) {
    // Failing to set it costs latency, and the next write tells what is wrong.
    let _ = stream.set_nodelay(true);
    let http = Box::pin(speak_http(stream, peer, &dispatch, &tasks));
    let Some((client, upstream)) = tasks.cut().run_until_cancelled(http).await else {
        return;
    };
    match upstream {
        Some(upstream) => {
            let report = tunnel(Tunnel { client, upstream }, peer, &tasks).await;
            if report.cause == Cause::UpstreamClosed {
                dispatch.tunnel_lost();
            }
        }
        None => linger(client.stream).await,
    }
}

async fn tunnel(tunnel: Tunnel, peer: SocketAddr, tasks: &Tasks) -> Report {
    let report = tunnel.run(tasks.cut()).await;
    info!(
        %peer,
        cause = %report.cause,
        dur_ms = report.duration.as_millis() as u64,
        bytes_up = report.bytes_up,
        bytes_down = report.bytes_down,
        "ws close"
    );
    report
}

/// Speaks HTTP until the connection is over; returns it, and t3's side where a tunnel follows.
async fn speak_http(
    stream: TcpStream,
    peer: SocketAddr,
    dispatch: &Arc<Dispatch>,
    tasks: &Tasks,
) -> (Side, Option<Side>) {
    let interim = Arc::<Interim>::default();
    let client = Arc::new(Client {
        peer,
        interim: Arc::clone(&interim),
    });
    let tunnel = Arc::<Mutex<Option<Side>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (dispatch, client) = (Arc::clone(dispatch), Arc::clone(&client));
        let tunnel = Arc::clone(&tunnel);
        async move {
            let outcome = dispatch.answer(request, &client).await;
            *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = outcome.tunnel;
            Ok::<_, Infallible>(outcome.answer)
        }
    });
    let io = ClientIo::new(stream, interim);
    let mut connection = http1::Builder::new().serve_connection(io, service);
    let mut drain = pin!(tasks.drain().cancelled());
    let mut is_draining = false;
    let ended = poll_fn(|cx| {
        if !is_draining && drain.as_mut().poll(cx).is_ready() {
            is_draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        Pin::new(&mut connection).poll(cx)
    });
    if let Err(error) = ended.await {
        debug!(%error, "client connection ended");
    }
    let parts = connection.into_parts();
    let client = Side {
        stream: parts.io.into_inner(),
        early: parts.read_buf,
    };
    let upstream = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    (client, upstream)
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
