//! The body of a response to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::upstream::response_body::Inbound;

/// The largest part of a body at hand that is handed on at a time: a slow client's connection holds
/// no more of it.
pub const FRAME_BYTES: usize = 64 * 1024;

/// The body of a response to a client.
#[derive(Debug)]
pub enum ResponseBody {
    /// Bytes of the dispatcher's own.
    Own(Bytes),
    /// t3's body as it comes.
    Relayed(Inbound),
    /// A body that is produced while it is sent.
    Made(UnsyncBoxBody<Bytes, BodyError>),
    /// A body that has failed, until hyper has written what came before.
    Failed(BodyError),
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection to t3 failed.
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    /// The producer of the body failed.
    #[error("the body was cut short")]
    CutShort,
}

impl ResponseBody {
    /// A body that is produced while it is sent.
    pub fn made(
        body: impl Body<Data = Bytes, Error: Into<BodyError> + 'static> + Send + 'static,
    ) -> Self {
        Self::Made(body.map_err(Into::into).boxed_unsync())
    }

    /// An empty body.
    pub fn empty() -> Self {
        Self::Own(Bytes::new())
    }
}

/// Takes off `bytes` what is handed on next.
pub fn next_part(bytes: &mut Bytes) -> Bytes {
    bytes.split_to(bytes.len().min(FRAME_BYTES))
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut *self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => {
                let next = next_part(bytes);
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
            Self::Relayed(inbound) => Pin::new(inbound)
                .poll_frame(cx)
                .map_err(BodyError::Upstream),
            Self::Made(body) => Pin::new(body).poll_frame(cx),
            Self::Failed(error) => {
                let error = std::mem::replace(error, BodyError::CutShort);
                return Poll::Ready(Some(Err(error)));
            }
        };
        if let Poll::Ready(Some(Err(error))) = polled {
            // hyper's server drops what it has not written yet when a body fails. One turn later
            // it has written what came before.
            *self = Self::Failed(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Relayed(inbound) => inbound.is_end_stream(),
            Self::Made(body) => body.is_end_stream(),
            Self::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed(inbound) => inbound.size_hint(),
            Self::Made(body) => body.size_hint(),
            Self::Failed(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    #[test]
    fn a_failure_is_reported_one_turn_after_what_came_before() {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"half"))),
            Err(BodyError::CutShort),
        ];
        let mut body = ResponseBody::made(StreamBody::new(stream::iter(frames)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut poll = || Pin::new(&mut body).poll_frame(&mut cx);
        assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))));
        assert!(poll().is_pending());
        assert!(matches!(poll(), Poll::Ready(Some(Err(_)))));
    }
}
