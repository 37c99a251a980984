//! A body that a client is sent while it grows: held once, however slowly the client takes it.

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::watch;

use crate::assets::content_store::FetchRoom;
use crate::responses::body::{BodyError, ResponseBody, next_part};

/// What there is of the body so far. One that is dropped before [`GrowingBody::end`] has been cut short.
#[derive(Debug)]
pub(super) struct GrowingBody(watch::Sender<Grown>);

/// Reads a body from its beginning.
#[derive(Debug)]
pub(super) struct BodyReader {
    grown: watch::Receiver<Grown>,
    /// How many pieces have been read, and their bytes.
    pieces: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Grown {
    pieces: Vec<Bytes>,
    /// All of it, which takes the place of the pieces at the end.
    whole: Option<Bytes>,
    /// What counts `whole`, if nothing else does.
    _room: Option<FetchRoom>,
}

impl GrowingBody {
    /// A body of no bytes yet, and its reader.
    pub(super) fn new() -> (Self, BodyReader) {
        let (sender, grown) = watch::channel(Grown::default());
        let reader = BodyReader {
            grown,
            pieces: 0,
            bytes: 0,
        };
        (Self(sender), reader)
    }

    /// Adds `piece` at the end.
    pub(super) fn push(&self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.send_modify(|grown| grown.pieces.push(piece));
        }
    }

    /// All pieces so far and `last`, as one.
    pub(super) fn with_last(&self, last: Bytes) -> Bytes {
        let mut pieces = self.0.borrow().pieces.clone();
        pieces.push(last);
        pieces.concat().into()
    }

    /// Ends the body, which is `whole`: its reader holds that, and `room` as long, instead of the pieces.
    pub(super) fn end(&self, whole: Bytes, room: Option<FetchRoom>) {
        self.0.send_replace(Grown {
            pieces: Vec::new(),
            whole: Some(whole),
            _room: room,
        });
    }

    /// Waits until nobody reads it any more.
    pub(super) async fn unread(&self) {
        self.0.closed().await;
    }
}

impl BodyReader {
    /// The bytes that follow, once there are some; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let has_more = |grown: &Grown| grown.whole.is_some() || grown.pieces.len() > self.pieces;
        let grown = self.grown.wait_for(has_more).await;
        let grown = grown.map_err(|_| BodyError::CutShort)?;
        let next = match &grown.whole {
            Some(whole) => next_part(&mut whole.slice(self.bytes..)),
            None => grown.pieces[self.pieces].clone(),
        };
        self.pieces += 1;
        self.bytes += next.len();
        Ok(Some(next).filter(|next| !next.is_empty()))
    }

    /// Waits for the end of the body; false if it has been cut short.
    pub(super) async fn ended(mut self) -> bool {
        let end = self.grown.wait_for(|grown| grown.whole.is_some()).await;
        end.is_ok()
    }

    /// As the body of a response.
    pub(super) fn into_body(self) -> ResponseBody {
        let frames = stream::unfold(Some(self), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(next) => Some((Ok(Frame::data(next?)), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        });
        ResponseBody::made(StreamBody::new(frames))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::responses::body::FRAME_BYTES;

    #[tokio::test]
    async fn each_byte_is_read_once_whenever_it_is_read() {
        let whole = Bytes::from_static(b"one, two, three");
        for read_first in 0..=2 {
            let (body, mut reader) = GrowingBody::new();
            let mut read = Vec::new();
            for (number, piece) in [&whole[..5], &whole[5..10]].into_iter().enumerate() {
                body.push(Bytes::copy_from_slice(piece));
                if number < read_first {
                    read.extend(reader.next().await.expect("uncut").expect("a piece"));
                }
            }
            let last = Bytes::copy_from_slice(&whole[10..]);
            body.end(body.with_last(last), None);
            let rest = reader.into_body().collect().await.expect("uncut");
            read.extend(rest.to_bytes());
            assert_eq!(read, whole, "{read_first} pieces before the end");
        }
    }

    #[tokio::test]
    async fn at_the_end_its_reader_holds_the_whole_and_nothing_else() {
        let (body, reader) = GrowingBody::new();
        let piece = Bytes::from(vec![7; 10]);
        body.push(piece.clone());
        let whole = body.with_last(Bytes::new());
        body.end(whole.clone(), None);
        assert!(piece.is_unique() && !whole.is_unique());
        drop((body, reader));
        assert!(whole.is_unique());
    }

    #[tokio::test]
    async fn what_a_slow_client_has_not_taken_is_handed_on_in_parts() {
        let (body, mut reader) = GrowingBody::new();
        let whole = Bytes::from(vec![7; 3 * FRAME_BYTES + 1]);
        body.push(whole.slice(..10));
        assert_eq!(reader.next().await.expect("uncut"), Some(whole.slice(..10)));
        body.end(whole.clone(), None);
        let (mut read, mut parts) = (10, 0);
        while let Some(part) = reader.next().await.expect("uncut") {
            assert!(part.len() <= FRAME_BYTES, "{} bytes", part.len());
            (read, parts) = (read + part.len(), parts + 1);
        }
        assert_eq!((read, parts), (whole.len(), 3));
    }

    #[tokio::test]
    async fn what_is_dropped_before_its_end_is_cut_short() {
        let (body, mut reader) = GrowingBody::new();
        body.push(Bytes::from_static(b"one"));
        drop(body);
        assert_eq!(reader.next().await.expect("a piece"), Some("one".into()));
        assert!(matches!(reader.next().await, Err(BodyError::CutShort)));
        assert!(!reader.ended().await);
        let (body, reader) = GrowingBody::new();
        let ended = tokio::spawn(reader.ended());
        body.end(Bytes::new(), None);
        assert!(ended.await.expect("no panic"));
    }

    #[tokio::test]
    async fn an_empty_body_has_no_piece() {
        let (body, mut reader) = GrowingBody::new();
        body.push(Bytes::new());
        body.end(Bytes::new(), None);
        assert_eq!(reader.next().await.expect("uncut"), None);
    }

    #[tokio::test]
    async fn it_is_known_when_nobody_reads_it() {
        let (body, reader) = GrowingBody::new();
        drop(reader);
        body.unread().await;
        body.push(Bytes::from_static(b"one"));
    }
}
