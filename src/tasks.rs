//! The tasks that outlive the call that started them: started here, awaited when the server drains.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// Starts tasks and knows when the last one has ended.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: CancellationToken,
    cut: CancellationToken,
}

/// A token as one task sees it, which asks often and is woken once.
#[derive(Debug)]
pub struct Signal {
    token: CancellationToken,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    is_registered: bool,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct AbortOnDrop(JoinHandle<()>);

impl Tasks {
    /// Starts a task of its own; the drain waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortOnDrop {
        AbortOnDrop(self.tracker.spawn(task))
    }

    /// Starts a task that nobody holds; the drain waits for it.
    pub fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Starts a task that the drain ends at once.
    pub fn until_drained(&self, task: impl Future<Output = ()> + Send + 'static) {
        let drain = self.drain.clone();
        self.detach(async move {
            drain.run_until_cancelled(task).await;
        });
    }

    /// Set once no new request may begin.
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Set at the deadline: what still runs ends now.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Asks every task to end, tells those left after `deadline` to end at once, and waits for
    /// these for at most `grace` more. True where all had ended by then.
    pub async fn finish(&self, deadline: Duration, grace: Duration) -> bool {
        self.drain.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait())
            .await
            .is_ok()
        {
            return true;
        }
        self.cut.cancel();
        tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
    }
}

impl Signal {
    /// The signal of `token` for the task that will poll it.
    pub fn of(token: &CancellationToken) -> Self {
        Self {
            token: token.clone(),
            waiting: Box::pin(token.clone().cancelled_owned()),
            is_registered: false,
        }
    }

    /// Has it been given? The first call, with the `cx` of the task that makes every further one,
    /// has it woken when it is.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_registered {
            return self.token.is_cancelled();
        }
        self.is_registered = true;
        self.waiting.as_mut().poll(cx).is_ready()
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
