//! A client's connection under its clock: what is done on it ends when its time is over, or at the cut.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::process::tasks::Tasks;
use crate::state::deadlines::Activity;

/// How something watched ended.
pub(super) enum Watched<T> {
    /// By itself.
    Over(T),
    /// The client has used up its time.
    TooSlow,
    /// The drain is at its deadline.
    Cut,
}

/// Polls `inner` to its end, or to the end of the client's time. `inner` is told whether the drain
/// has begun, and woken when it does.
pub(super) async fn watch<T>(
    activity: &Activity,
    tasks: &Tasks,
    mut inner: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
) -> Watched<T> {
    let (mut drain, mut cut) = (tasks.drain_signal(), tasks.cut_signal());
    let mut alarm = pin!(sleep_until(activity.deadline()));
    let mut is_set = false;
    poll_fn(|cx| {
        let is_draining = drain.poll(cx);
        if cut.poll(cx) {
            return Poll::Ready(Watched::Cut);
        }
        if let Poll::Ready(ended) = inner(cx, is_draining) {
            return Poll::Ready(Watched::Over(ended));
        }
        // The alarm is set anew only when it must ring earlier, or has rung too early.
        let deadline = activity.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
            is_set = false;
        }
        // It is always this task that it wakes: asked once, it need not be asked until it rings.
        if is_set && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        is_set = true;
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if activity.is_over(now) {
                debug!("client connection too slow");
                return Poll::Ready(Watched::TooSlow);
            }
            let deadline = activity.deadline();
            alarm.as_mut().reset(deadline);
            if deadline <= now {
                // Somebody else's time is over, who will notice.
                cx.waker().wake_by_ref();
                is_set = false;
                break;
            }
        }
        Poll::Pending
    })
    .await
}
