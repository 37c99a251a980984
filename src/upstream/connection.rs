//! One connection to t3, driven by whoever waits for what comes on it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::upstream::request_body::Outbound;

/// Receives what t3 says before its answer (RFC 9110 §15.2), on the way to the client.
pub type Inform = Arc<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// One connection to t3.
///
/// No task stands behind it: [`Link::drive`] does its reading and writing, in the task that
/// serves the client. Nothing has to be handed from one task to another, and dropping it ends
/// the exchange on the wire.
#[derive(Debug)]
pub(super) struct Link {
    sender: http1::SendRequest<Outbound>,
    wire: Wire,
}

/// The end of a connection that reads and writes.
#[derive(Debug)]
struct Wire {
    connection: http1::Connection<TokioIo<TcpStream>, Outbound>,
    ended: bool,
}

/// Why an exchange on a link ended without an answer's head.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The connection was closed; the request is given back where nothing of it was sent.
    Closed(hyper::Error, Option<Box<Request<Outbound>>>),
    /// What came was not HTTP, or the connection failed in the middle of it.
    Broken(hyper::Error),
    /// The client's own body ended in an error.
    RequestBody,
    /// Nothing moved for the given limit.
    Timeout,
    /// A 101 that nobody asked for.
    Switched,
    /// An answer whose end is not clear.
    Unclear,
}

impl Link {
    /// Makes `stream` an HTTP/1.1 connection.
    pub(super) async fn over(stream: TcpStream) -> hyper::Result<Box<Self>> {
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
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
    pub(super) fn into_idle(mut self: Box<Self>) -> Option<TcpStream> {
        // Nobody waits for an idle connection: it is looked at again when it is taken.
        let mut unwoken = Context::from_waker(Waker::noop());
        if self.drive(&mut unwoken).is_ready() || !self.sender.is_ready() {
            return None;
        }
        let parts = self.wire.connection.into_parts();
        parts.read_buf.is_empty().then(|| parts.io.into_inner())
    }

    /// Sends `request` and waits for the answer's head, for at most `limit` in which neither the
    /// request's body nor the answer moves.
    pub(super) async fn exchange(
        &mut self,
        mut request: Request<Outbound>,
        limit: Duration,
        inform: Option<Inform>,
    ) -> Result<Response<Incoming>, Unanswered> {
        if let Some(inform) = inform {
            hyper::ext::on_informational(&mut request, move |response| {
                // hyper's server asks for the body, and says so to the client, by itself.
                if response.status() != StatusCode::CONTINUE {
                    inform(response.status(), response.headers());
                }
            });
        }
        let upload = request.body().upload();
        let mut response = pin!(self.sender.try_send_request(request));
        let mut deadline = pin!(sleep(limit));
        poll_fn(|cx| {
            // Driving comes first and is what completes the response, in this very task: nobody
            // else could wake it, so it is asked without a waker.
            let _ = self.wire.drive(cx);
            let mut unwoken = Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = response.as_mut().poll(&mut unwoken) {
                return Poll::Ready(outcome.map_err(Unanswered::from));
            }
            while deadline.as_mut().poll(cx).is_ready() {
                let moved = upload.as_ref().and_then(|upload| upload.last_moved());
                match moved.map(|moved| moved + limit) {
                    Some(later) if later > Instant::now() => deadline.as_mut().reset(later),
                    _ => return Poll::Ready(Err(Unanswered::Timeout)),
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

    /// After a 101: the bare connection, and what came behind the answer's head.
    pub(super) async fn into_raw(mut self: Box<Self>) -> hyper::Result<(TcpStream, Bytes)> {
        poll_fn(|cx| self.drive(cx)).await?;
        let parts = self.wire.connection.into_parts();
        Ok((parts.io.into_inner(), parts.read_buf))
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

impl From<TrySendError<Request<Outbound>>> for Unanswered {
    fn from(mut failed: TrySendError<Request<Outbound>>) -> Self {
        let unsent = failed.take_message();
        let error = failed.into_error();
        if error.is_user() {
            return Self::RequestBody;
        }
        if error.is_canceled() || error.is_incomplete_message() || is_io(&error) {
            return Self::Closed(error, unsent.map(Box::new));
        }
        Self::Broken(error)
    }
}

fn is_io(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}
