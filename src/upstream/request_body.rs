//! The body of a request to t3, and how far a client's has come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::http_rules::header_map;
use crate::http_rules::header_policy::HeaderPolicy;

/// The body of a request to t3.
#[derive(Debug)]
pub enum Outbound {
    /// None.
    Empty,
    /// Some bytes of the dispatcher's own.
    Whole(Bytes),
    /// The client's body, as it comes, and by which policy its trailers go on.
    Stream(Incoming, Arc<Upload>, Arc<HeaderPolicy>),
}

impl Outbound {
    /// The client's body, or none where it has none; its trailers go on as `policy` says.
    pub fn of_client(body: Incoming, policy: &Arc<HeaderPolicy>) -> Self {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream(body, Arc::default(), Arc::clone(policy))
        }
    }

    /// The progress of the client's body, if there is one.
    pub fn upload(&self) -> Option<Arc<Upload>> {
        match self {
            Self::Stream(_, upload, _) => Some(Arc::clone(upload)),
            Self::Empty | Self::Whole(_) => None,
        }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                *self = Self::Empty;
                Poll::Ready(Some(Ok(frame)))
            }
            Self::Stream(incoming, upload, policy) => {
                let mut polled = Pin::new(&mut *incoming).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &mut polled
                    && let Some(trailers) = frame.trailers_mut()
                {
                    header_map::strip_trailers(trailers, policy);
                }
                match &polled {
                    Poll::Ready(Some(Ok(_))) => upload.note(incoming.is_end_stream()),
                    Poll::Ready(None) => upload.note(true),
                    Poll::Ready(Some(Err(_))) | Poll::Pending => {}
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(incoming, ..) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(incoming, ..) => incoming.size_hint(),
        }
    }
}

/// A copy of a request that may be sent twice (RFC 9110 §9.2.2).
pub(super) fn repeatable(request: &Request<Outbound>) -> Option<Request<Outbound>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent || !matches!(request.body(), Outbound::Empty) {
        return None;
    }
    let mut copy = Request::new(Outbound::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// How far a client's body has come on its way to t3.
#[derive(Debug, Default)]
pub struct Upload {
    done: AtomicBool,
    last_moved: Mutex<Option<Instant>>,
}

impl Upload {
    /// Has all of it been passed to the connection?
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// When its last piece was passed on.
    pub fn last_moved(&self) -> Option<Instant> {
        *self.last_moved.lock()
    }

    /// A piece of it was passed on, the last one if `is_done`.
    pub fn note(&self, is_done: bool) {
        self.done.store(is_done, Ordering::Relaxed);
        *self.last_moved.lock() = Some(Instant::now());
    }
}
