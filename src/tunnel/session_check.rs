//! The check of the sessions of open tunnels, again and again while there are any.

use std::time::Duration;

use crate::limited;
use crate::tunnel::registry::Tunnels;
use crate::upstream::Upstream;
use crate::upstream::api_call;

impl Tunnels {
    /// While there are tunnels, asks t3 every `interval` for each of their sessions once, and ends
    /// the tunnels of a dead one: t3 itself never does (contract §4). Only a definite no ends any.
    pub async fn end_dead(&self, upstream: &Upstream, interval: Duration) {
        loop {
            self.wait_until_of_session().await;
            tokio::time::sleep(interval).await;
            for proof in self.sessions() {
                if api_call::is_session_alive(upstream, &proof).await == Some(false) {
                    let ended = self.end_session(&proof);
                    limited!(INFO, "a session with open tunnels has died"; tunnels = ended);
                }
            }
        }
    }
}
