//! The body of an answer to a client: bytes of the dispatcher's own, or t3's as it comes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::assets::broadcast_body::{Cut, Reader};
use crate::pwa::rewritten_body::Rewritten;
use crate::upstream::response_body::Inbound;

/// The most of a body that is handed on at a time: a slow client's connection holds no more of it.
const FRAME_BYTES: usize = 64 * 1024;

/// The body of an answer to a client.
#[derive(Debug)]
pub enum AnswerBody {
    /// Bytes of the dispatcher's own.
    Own(Bytes),
    /// t3's, as it comes.
    Relayed(Inbound),
    /// One that is being made, and that others may read too.
    Shared(Reader),
    /// A page of t3's, as it comes, with something put into its head.
    Rewritten(Box<Rewritten>),
}

/// Why a body ended before its end.
#[derive(Debug)]
pub enum BodyError {
    /// t3's connection failed.
    Upstream(hyper::Error),
    /// Whoever made it could not end it.
    Cut(Cut),
}

impl Body for AnswerBody {
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
            Self::Shared(reader) => reader
                .poll_next(cx)
                .map_ok(Frame::data)
                .map_err(BodyError::Cut),
            Self::Rewritten(page) => Pin::new(&mut **page)
                .poll_frame(cx)
                .map_err(BodyError::Upstream),
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
            Self::Shared(reader) => reader.is_at_end(),
            Self::Rewritten(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed(inbound) => inbound.size_hint(),
            Self::Shared(_) => SizeHint::default(),
            Self::Rewritten(page) => page.size_hint(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(error) => error.fmt(formatter),
            Self::Cut(cut) => cut.fmt(formatter),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Upstream(error) => Some(error),
            Self::Cut(cut) => Some(cut),
        }
    }
}
