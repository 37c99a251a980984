//! Starts a t3 that is down when its person is here.

use std::sync::Arc;

use tokio::time::Instant;

use crate::metrics::power::PowerCommand;
use crate::state::instance::Instance;

impl Instance {
    /// A page or an upgrade of somebody who is let in is here: if t3 is being stopped, that ends first, or
    /// `deadline` comes, and one that is asleep is looked at.
    pub async fn want(&self, deadline: Instant) {
        if let Some(power) = &self.power {
            power.wait_while_stopping(deadline).await;
            self.readiness.want();
        }
    }

    /// Has t3, which is down, started by its command, if it has one and it is time. Nobody waits for the
    /// command here.
    pub fn wake(self: &Arc<Self>) {
        let seen = self.readiness.status().incarnation;
        let power = self.power.as_ref();
        if power.is_some_and(|power| power.begin_start(seen)) {
            let instance = Arc::clone(self);
            self.run(async move { instance.start_t3(seen).await });
        }
    }

    /// Runs the command, unless nobody waits any more when its turn comes.
    async fn start_t3(&self, seen: u64) {
        let Some(power) = &self.power else { return };
        let Some(turn) = power.turn_to_start().await else {
            return;
        };
        let is_due = !self.readiness.is_surely_up() && !self.readiness.is_unwanted();
        let is_done = match is_due {
            true => {
                let address = self.upstream.to_string();
                Some(power.run(PowerCommand::Wake, turn, &address).await)
            }
            false => None,
        };
        power.start_ended(is_done, seen);
    }
}
