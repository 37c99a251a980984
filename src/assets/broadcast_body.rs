//! A body that one writes and many read, each from its beginning.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};
use parking_lot::Mutex;

use crate::process::AbortOnDrop;
use crate::responses::body::BodyError;

/// What there is of a body so far.
#[derive(Debug, Default)]
pub struct Growing {
    state: Mutex<State>,
    /// The task that writes it: nobody reads it any more once this is dropped.
    task: OnceLock<AbortOnDrop>,
}

#[derive(Debug, Default)]
struct State {
    chunks: Vec<Bytes>,
    end: Option<Result<(), Cut>>,
    waiting: Vec<Waker>,
}

/// The writing end. Dropped before [`Writer::finish`], it cuts the body short.
#[derive(Debug)]
pub struct Writer(Weak<Growing>);

/// One reader's place in the body.
#[derive(Debug)]
pub struct Reader {
    growing: Arc<Growing>,
    next: usize,
    /// The cut has been met, and is told at the next turn.
    is_cut: bool,
}

/// The body was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

impl Growing {
    /// An empty body, and its writing end.
    pub fn new() -> (Arc<Self>, Writer) {
        let growing = Arc::<Self>::default();
        let writer = Writer(Arc::downgrade(&growing));
        (growing, writer)
    }

    /// Ends `task`, which writes this, when the last reader has left.
    pub fn written_by(&self, task: AbortOnDrop) {
        // Set once, by whoever has made it.
        let _ = self.task.set(task);
    }

    /// A reader at the beginning.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader {
            growing: Arc::clone(self),
            next: 0,
            is_cut: false,
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state.lock();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Writer {
    /// Adds `chunk`, if anybody is there to read it.
    pub fn push(&self, chunk: Bytes) {
        if !chunk.is_empty()
            && let Some(growing) = self.0.upgrade()
        {
            growing.change(|state| state.chunks.push(chunk));
        }
    }

    /// Ends the body.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    /// Only the first end counts.
    fn end(&self, end: Result<(), Cut>) {
        if let Some(growing) = self.0.upgrade() {
            growing.change(|state| {
                state.end.get_or_insert(end);
            });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Err(Cut));
    }
}

impl Reader {
    /// The next chunk, nothing at the end, or the cut.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if self.is_cut {
            return Poll::Ready(Some(Err(Cut)));
        }
        let mut state = self.growing.state.lock();
        if let Some(chunk) = state.chunks.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(chunk.clone())));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(Cut)) => {
                // hyper's server drops what it has not written yet when a body fails. Waiting
                // for one turn lets it write what came before.
                self.is_cut = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                if !state.waiting.iter().any(|held| held.will_wake(cx.waker())) {
                    state.waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Has everything been read?
    pub fn is_at_end(&self) -> bool {
        let state = self.growing.state.lock();
        state.end == Some(Ok(())) && state.chunks.len() == self.next
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = self.poll_next(cx).map_ok(Frame::data);
        next.map_err(|Cut| BodyError::CutShort)
    }

    fn is_end_stream(&self) -> bool {
        self.is_at_end()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(reader: &mut Reader) -> Option<Result<Bytes, Cut>> {
        poll_fn(|cx| reader.poll_next(cx)).await
    }

    #[tokio::test]
    async fn everybody_reads_it_from_the_beginning_to_the_end() {
        let (growing, writer) = Growing::new();
        let (mut early, mut late) = (growing.reader(), growing.reader());
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(chunk) = next(&mut early).await {
                all.extend_from_slice(&chunk.expect("no cut"));
            }
            (all, early.is_at_end())
        });
        tokio::task::yield_now().await;
        writer.push(Bytes::from_static(b"one "));
        tokio::task::yield_now().await;
        writer.push(Bytes::new());
        writer.push(Bytes::from_static(b"two"));
        assert!(!late.is_at_end());
        writer.finish();
        assert_eq!(
            reading.await.expect("no panic"),
            (b"one two".to_vec(), true)
        );
        assert_eq!(next(&mut late).await, Some(Ok("one ".into())));
    }

    #[tokio::test]
    async fn a_writer_that_leaves_cuts_it_short_after_what_there_is() {
        let (growing, writer) = Growing::new();
        let mut reader = growing.reader();
        writer.push(Bytes::from_static(b"half"));
        drop(writer);
        assert_eq!(next(&mut reader).await, Some(Ok("half".into())));
        assert_eq!(next(&mut reader).await, Some(Err(Cut)));
        assert!(!reader.is_at_end());
    }

    #[tokio::test]
    async fn its_task_ends_with_the_last_reader() {
        let (growing, writer) = Growing::new();
        let (alive, mut ended) = tokio::sync::oneshot::channel::<()>();
        growing.written_by(crate::process::Tasks::default().spawn(async move {
            std::future::pending::<()>().await;
            drop((writer, alive));
        }));
        let (one, two) = (growing.reader(), growing.reader());
        drop((growing, one));
        tokio::task::yield_now().await;
        assert!(
            ended
                .try_recv()
                .is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty)
        );
        drop(two);
        let _ = ended.await;
    }
}
