//! The body of an answer to a client: a few bytes of the dispatcher's own, or t3's as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::upstream::Inbound;

/// The body of an answer to a client.
#[derive(Debug)]
pub enum AnswerBody {
    /// A few bytes of the dispatcher's own.
    Own(Bytes),
    /// t3's, as it comes.
    Relayed(Inbound),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Relayed(inbound) => Pin::new(inbound).poll_frame(cx),
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Relayed(inbound) => inbound.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed(inbound) => inbound.size_hint(),
        }
    }
}
