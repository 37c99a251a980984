//! Observing a server: the requests it received, the connections it holds open.

use std::time::Duration;

use tokio::time::timeout;

use super::Standin;
use crate::seen::Seen;

impl Standin {
    /// Every request head parsed, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.record.lock().clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state.record.lock().clear();
    }

    /// Waits until the condition on the requests holds; false after the deadline.
    pub async fn wait_for(&self, deadline: Duration, what: impl Fn(&[Seen]) -> bool) -> bool {
        self.state.record.wait_for(deadline, what).await
    }

    /// How many WebSockets are open.
    #[must_use]
    pub fn open_websockets(&self) -> usize {
        self.state.open.borrow().websockets
    }

    /// Waits until the condition on the numbers of connections and WebSockets holds; false after the deadline.
    pub async fn wait_for_connections(
        &self,
        deadline: Duration,
        what: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let mut open = self.state.open.subscribe();
        let met = open.wait_for(|open| what(open.connections, open.websockets));
        timeout(deadline, met).await.is_ok_and(|met| met.is_ok())
    }
}
