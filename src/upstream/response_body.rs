//! The body of t3's response, and the connection that it comes on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::process::AbortOnDrop;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::pool::Pool;

/// The body of t3's response, with the connection that it comes on.
#[derive(Debug)]
pub struct Inbound {
    incoming: Incoming,
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    /// Driven here, and returned to the pool after the last byte, if there is one.
    UpstreamConnection(Box<UpstreamConnection>, Option<Arc<Pool>>),
    /// Driven by a task of its own, ended with this.
    Task(#[allow(dead_code)] AbortOnDrop),
    /// Released.
    Gone,
}

impl Inbound {
    /// A body after which `connection` may serve another request.
    pub(super) fn then_kept(
        connection: Box<UpstreamConnection>,
        incoming: Incoming,
        pool: &Arc<Pool>,
    ) -> Self {
        let mut body = Self {
            incoming,
            carrier: Carrier::UpstreamConnection(connection, Some(Arc::clone(pool))),
        };
        body.release_at_end();
        body
    }

    /// A body after which `connection` is closed.
    pub(super) fn last_of(connection: Box<UpstreamConnection>, incoming: Incoming) -> Self {
        Self {
            incoming,
            carrier: Carrier::UpstreamConnection(connection, None),
        }
    }

    /// A body whose connection is driven by `task`.
    pub(super) fn beside(task: AbortOnDrop, incoming: Incoming) -> Self {
        Self {
            incoming,
            carrier: Carrier::Task(task),
        }
    }

    /// After the last byte the connection goes back to the pool at once: the client's next
    /// request may already be there.
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Carrier::UpstreamConnection(connection, Some(pool)) =
            std::mem::replace(&mut self.carrier, Carrier::Gone)
            && let Some(stream) = connection.into_idle()
        {
            pool.put(stream, Instant::now());
        }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Carrier::UpstreamConnection(connection, _) = &mut self.carrier else {
            return Pin::new(&mut self.incoming).poll_frame(cx);
        };
        // Only driving the connection completes a frame, and that happens here: no waker is needed.
        // What is there already comes first: polling for it makes hyper read on.
        let mut unwoken = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(&mut unwoken) {
            return Poll::Ready(frame);
        }
        let _ = connection.drive(cx);
        Pin::new(&mut self.incoming).poll_frame(&mut unwoken)
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = self.poll_incoming(cx);
        match polled {
            Poll::Ready(Some(Err(_))) => self.carrier = Carrier::Gone,
            Poll::Ready(None) => self.release(),
            Poll::Ready(Some(Ok(_))) => self.release_at_end(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
