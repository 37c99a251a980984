//! Polls what is done on a client's connection to its end, to a deadline of the client, or to the cut.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::process::tasks::Tasks;
use crate::state::deadlines::Deadlines;

/// How something watched ended.
pub(super) enum Watched<T> {
    /// By itself.
    Over(T),
    /// A deadline of the client has passed.
    TooSlow,
    /// The drain is at its deadline.
    Cut,
}

/// Polls `inner` to its end, or to a deadline of the client. `inner` is given whether the drain has
/// begun, and woken when it does.
pub(super) async fn watch<T>(
    deadlines: &Deadlines,
    tasks: &Tasks,
    mut inner: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
) -> Watched<T> {
    let (mut drain, mut cut) = (tasks.drain_signal(), tasks.cut_signal());
    let mut alarm = pin!(sleep_until(deadlines.deadline()));
    let mut is_set = false;
    poll_fn(|cx| {
        let is_draining = drain.poll(cx);
        if cut.poll(cx) {
            return Poll::Ready(Watched::Cut);
        }
        if let Poll::Ready(ended) = inner(cx, is_draining) {
            return Poll::Ready(Watched::Over(ended));
        }
        // The alarm is reset only when it must ring earlier, or has rung too early.
        let deadline = deadlines.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
            is_set = false;
        }
        // It always wakes this task: polled once, it need not be polled until it rings.
        if is_set && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        is_set = true;
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if deadlines.is_over(now) {
                debug!("client connection too slow");
                return Poll::Ready(Watched::TooSlow);
            }
            let deadline = deadlines.deadline();
            alarm.as_mut().reset(deadline);
            if deadline <= now {
                // A deadline of the inner future has passed, which it will notice.
                cx.waker().wake_by_ref();
                is_set = false;
                break;
            }
        }
        Poll::Pending
    })
    .await
}
