//! One HTTP connection to t3, driven by the task that waits for the response.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::http_rules::MAX_FIELDS;
use crate::process::client_memory::ClientMemory;
use crate::upstream::request_body::Outbound;
use crate::upstream::socket::Socket;
use crate::upstream::upstream_io::UpstreamIo;

/// Receives the interim responses of t3 (RFC 9110 §15.2), on the way to the client.
pub type Inform = Arc<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// One connection to t3.
///
/// It has no task of its own: [`UpstreamConnection::drive`] does its reading and writing, in the task that serves the
/// client. Nothing is handed from one task to another, and dropping it ends the exchange on the wire.
#[derive(Debug)]
pub(super) struct UpstreamConnection {
    sender: http1::SendRequest<Outbound>,
    wire: Wire,
}

/// The end of a connection that reads and writes.
#[derive(Debug)]
struct Wire {
    connection: http1::Connection<TokioIo<UpstreamIo>, Outbound>,
    ended: bool,
}

/// How much of a body is read at a time, at most: with less a long one takes more turns.
const READ_BYTES: usize = 256 * 1024;

/// Why an exchange on a connection ended without the head of a response.
#[derive(Debug)]
pub(super) enum NoResponse {
    /// The connection was closed.
    Closed(hyper::Error),
    /// The response was not HTTP, or the connection failed in the middle of it.
    Broken(hyper::Error),
    /// The client's own body ended in an error.
    RequestBody,
    /// Nothing moved for the given limit.
    Timeout,
    /// A 101 that was not asked for.
    Switched,
    /// A response whose end is ambiguous.
    Unclear,
}

impl UpstreamConnection {
    /// Makes `socket` an HTTP/1.1 connection, on which a response's head has up to `head_limit` bytes.
    /// Its window grows as far as `memory` allows.
    pub(super) async fn over(
        socket: Socket,
        head_limit: usize,
        memory: &Arc<ClientMemory>,
    ) -> hyper::Result<Box<Self>> {
        let io = UpstreamIo::new(socket, Arc::clone(memory));
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_FIELDS)
            .max_header_size(head_limit)
            .max_buf_size(head_limit.max(READ_BYTES))
            .handshake(TokioIo::new(io))
            .await?;
        Ok(Box::new(Self {
            sender,
            wire: Wire {
                connection,
                ended: false,
            },
        }))
    }

    /// Reads and writes what can be without waiting; ready once the connection has ended.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.wire.drive(cx)
    }

    /// The bare connection, if it is open with nothing under way on it.
    pub(super) fn into_idle(mut self: Box<Self>) -> Option<Socket> {
        // No task waits for an idle connection: it is checked again when it is taken.
        let mut unwoken = Context::from_waker(Waker::noop());
        if self.drive(&mut unwoken).is_ready() || !self.sender.is_ready() {
            return None;
        }
        let parts = self.wire.connection.into_parts();
        let io = parts.io.into_inner();
        let is_idle = parts.read_buf.is_empty() && !io.is_write_broken();
        is_idle.then(|| io.into_inner())
    }

    /// Sends `request` and waits for the head of the response, for at most `limit` in which neither the
    /// request's body nor the response moves.
    pub(super) async fn exchange(
        &mut self,
        mut request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Incoming>, NoResponse> {
        if let Some(inform) = inform {
            hyper::ext::on_informational(&mut request, move |response| {
                // hyper's server sends 100 (Continue) by itself.
                if response.status() != StatusCode::CONTINUE {
                    inform(response.status(), response.headers());
                }
            });
        }
        let upload = request.body().upload();
        let mut response = pin!(self.sender.send_request(request));
        let mut deadline = pin!(sleep(limit));
        poll_fn(|cx| {
            // Only driving, which comes first, completes the response, in this task: it needs no
            // waker of its own.
            let _ = self.wire.drive(cx);
            let mut unwoken = Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = response.as_mut().poll(&mut unwoken) {
                return Poll::Ready(outcome.map_err(NoResponse::from));
            }
            while deadline.as_mut().poll(cx).is_ready() {
                let moved = upload.as_ref().and_then(|upload| upload.last_moved());
                match moved.map(|moved| moved + limit) {
                    Some(later) if later > Instant::now() => deadline.as_mut().reset(later),
                    _ => return Poll::Ready(Err(NoResponse::Timeout)),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Drives the connection to its end.
    pub(super) async fn run(mut self: Box<Self>) {
        let _ = poll_fn(|cx| self.drive(cx)).await;
    }

    /// After a 101: the bare connection, and the bytes that came after the response's head.
    pub(super) async fn into_raw(mut self: Box<Self>) -> hyper::Result<(TcpStream, Bytes)> {
        poll_fn(|cx| self.drive(cx)).await?;
        let parts = self.wire.connection.into_parts();
        Ok((parts.io.into_inner().into_inner().stream, parts.read_buf))
    }
}

impl Wire {
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let outcome = ready!(self.connection.poll_without_shutdown(cx));
        self.ended = true;
        Poll::Ready(outcome)
    }
}

impl From<hyper::Error> for NoResponse {
    fn from(error: hyper::Error) -> Self {
        if error.is_user() {
            return Self::RequestBody;
        }
        if error.is_canceled() || error.is_incomplete_message() || is_io(&error) {
            return Self::Closed(error);
        }
        Self::Broken(error)
    }
}

fn is_io(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}
