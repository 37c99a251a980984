//! The body of a page from t3 with something put into its head, as it streams by.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::pwa::html_insertion::Insertion;
use crate::upstream::response_body::Inbound;

/// A page from t3 with something put into its head.
#[derive(Debug)]
pub struct Rewritten {
    page: Inbound,
    insertion: Insertion,
    last: Option<Frame<Bytes>>,
    is_over: bool,
}

impl Rewritten {
    /// `page` with `html` at the end of its head, unless an element that the CSS selector `unless`
    /// means comes before that.
    pub fn new(page: Inbound, html: &'static str, unless: &'static str) -> Self {
        Self {
            page,
            insertion: Insertion::new(html, unless),
            last: None,
            is_over: false,
        }
    }

    /// What goes on for a frame that has come, or for the end; nothing while all is held back.
    fn onward(&mut self, frame: Option<Frame<Bytes>>) -> Option<Frame<Bytes>> {
        let data = match frame.map(Frame::into_data) {
            Some(Ok(data)) => self.insertion.push(data),
            // Trailers come behind all that was held back.
            Some(Err(trailers)) => {
                self.last = Some(trailers);
                self.insertion.finish()
            }
            None => {
                self.is_over = true;
                self.insertion.finish()
            }
        };
        (!data.is_empty()).then(|| Frame::data(data))
    }
}

impl Body for Rewritten {
    type Data = Bytes;
    type Error = hyper::Error;

    /// A page that is cut short is cut short here too: what was held back does not come.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if let Some(trailers) = self.last.take() {
                return Poll::Ready(Some(Ok(trailers)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let frame = ready!(Pin::new(&mut self.page).poll_frame(cx)).transpose()?;
            if let Some(onward) = self.onward(frame) {
                return Poll::Ready(Some(Ok(onward)));
            }
        }
    }

    /// Only an answer without any body is at its end before it was asked for more.
    fn is_end_stream(&self) -> bool {
        self.is_over && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
