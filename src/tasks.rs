//! The tasks that outlive the call that started them: started here, awaited when the server drains.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks and knows when the last one has ended.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: CancellationToken,
    cut: CancellationToken,
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

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
