//! The body of a response to a client: the dispatcher's own bytes, t3's as it comes, or one made from that.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::upstream::response_body::Inbound;

/// The most of a body that is handed on at a time: a slow client's connection holds no more of it.
const FRAME_BYTES: usize = 64 * 1024;

/// The body of a response to a client.
#[derive(Debug)]
pub enum ResponseBody {
    /// Bytes of the dispatcher's own.
    Own(Bytes),
    /// t3's, as it comes.
    Relayed(Inbound),
    /// One that is made on the way.
    Made(UnsyncBoxBody<Bytes, BodyError>),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// t3's connection failed.
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    /// The part that made it could not end it.
    #[error("the body was cut short")]
    CutShort,
}

impl ResponseBody {
    /// A body that is made on the way.
    pub fn made(
        body: impl Body<Data = Bytes, Error: Into<BodyError> + 'static> + Send + 'static,
    ) -> Self {
        Self::Made(body.map_err(Into::into).boxed_unsync())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Relayed(inbound) => Pin::new(inbound)
                .poll_frame(cx)
                .map_err(BodyError::Upstream),
            Self::Made(body) => Pin::new(body).poll_frame(cx),
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => {
                let next = bytes.split_to(bytes.len().min(FRAME_BYTES));
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Relayed(inbound) => inbound.is_end_stream(),
            Self::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed(inbound) => inbound.size_hint(),
            Self::Made(body) => body.size_hint(),
        }
    }
}
