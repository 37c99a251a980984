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
    /// What came of it with the head.
    first: Option<Box<Frame<Bytes>>>,
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
    ///
    /// # Errors
    /// Where what has come of it with the head is no body.
    pub(super) fn then_kept(
        connection: Box<UpstreamConnection>,
        incoming: Incoming,
        pool: &Arc<Pool>,
    ) -> hyper::Result<Self> {
        let mut body = Self {
            first: None,
            incoming,
            carrier: Carrier::UpstreamConnection(connection, Some(Arc::clone(pool))),
        };
        // A length is followed without fail; in chunks there may be anything.
        if body.incoming.size_hint().exact().is_none() {
            let mut unwoken = Context::from_waker(Waker::noop());
            if let Poll::Ready(Some(first)) = body.poll_incoming(&mut unwoken) {
                body.first = Some(Box::new(first?));
            }
        }
        body.release_at_end();
        Ok(body)
    }

    /// A body after which `connection` is closed.
    pub(super) fn last_of(connection: Box<UpstreamConnection>, incoming: Incoming) -> Self {
        Self {
            first: None,
            incoming,
            carrier: Carrier::UpstreamConnection(connection, None),
        }
    }

    /// A body whose connection is driven by `task`.
    pub(super) fn beside(task: AbortOnDrop, incoming: Incoming) -> Self {
        Self {
            first: None,
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
            && let Some(socket) = connection.into_idle()
        {
            pool.put(socket, Instant::now());
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
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(*first)));
        }
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
        self.first.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_deref().and_then(Frame::data_ref);
        let first = first.map_or(0, |data| data.len() as u64);
        let mut hint = self.incoming.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + first);
        }
        hint.set_lower(hint.lower() + first);
        hint
    }
}
