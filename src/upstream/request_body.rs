//! What a request takes to t3.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::http_rules::header_policy;
use crate::upstream::upload::Upload;

/// What a request to t3 brings along.
#[derive(Debug)]
pub enum Outbound {
    /// Nothing.
    Empty,
    /// A few bytes of the dispatcher's own.
    Whole(Bytes),
    /// The client's body, as it comes.
    Stream(Incoming, Arc<Upload>),
}

impl Outbound {
    /// The client's body, or nothing where it has none.
    pub fn of_client(body: Incoming) -> Self {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream(body, Arc::default())
        }
    }

    /// Where to ask how far the client's body has come.
    pub fn upload(&self) -> Option<Arc<Upload>> {
        match self {
            Self::Stream(_, upload) => Some(Arc::clone(upload)),
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
            Self::Stream(incoming, upload) => {
                let mut polled = Pin::new(&mut *incoming).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &mut polled
                    && let Some(trailers) = frame.trailers_mut()
                {
                    header_policy::strip_trailers(trailers);
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
            Self::Stream(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(incoming, _) => incoming.size_hint(),
        }
    }
}
