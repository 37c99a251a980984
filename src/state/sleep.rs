//! Stops a t3 that nobody has used for a while, and whose agents do nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limited;
use crate::metrics::power::PowerCommand;
use crate::state::instance::Instance;
use crate::state::instances::Instances;
use crate::state::quiet::ASK_PAUSE;
use crate::upstream::health_state::Doubt;

/// The least time between two looks at all t3s.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

impl Instances {
    /// Has each t3 stopped that may be and that nobody has used for `after`, for ever. It sleeps until the
    /// first may be due.
    pub(super) async fn sleep_when_idle(&self, after: Duration) {
        loop {
            let mut pause = after;
            for instance in self.all() {
                let due = match instance.may_sleep_in(after) {
                    Some(Duration::ZERO) => {
                        instance.consider_sleep(after);
                        ASK_PAUSE
                    }
                    Some(due) => due,
                    None => after,
                };
                pause = pause.min(due);
            }
            sleep(pause.max(LEAST_PAUSE)).await;
        }
    }
}

impl Instance {
    /// In how long t3 may be stopped, as far as is known now; `None` where it is not up or never is.
    fn may_sleep_in(&self, after: Duration) -> Option<Duration> {
        let power = self.power.as_ref().filter(|power| power.may_sleep())?;
        if !self.readiness.is_surely_up() {
            return None;
        }
        let Some(idle) = self.usage.idle_for() else {
            return Some(after);
        };
        let quiet = power.quiet.lock();
        if quiet.is_asked {
            return Some(ASK_PAUSE.min(after));
        }
        let now = Instant::now();
        let pause = quiet.not_before.map(|at| at.saturating_duration_since(now));
        Some(after.saturating_sub(idle).max(pause.unwrap_or_default()))
    }

    /// Has t3, which nobody has used for `after`, asked what its agents do, and stopped if they do nothing.
    fn consider_sleep(self: &Arc<Self>, after: Duration) {
        let Some(power) = &self.power else { return };
        power.quiet.lock().is_asked = true;
        let instance = Arc::clone(self);
        self.run(async move {
            instance.stop_if_quiet(after).await;
            if let Some(power) = &instance.power {
                power.quiet.lock().is_asked = false;
            }
        });
    }

    async fn stop_if_quiet(&self, after: Duration) {
        let Some(power) = &self.power else { return };
        let Some(turn) = power.turn_to_stop().await else {
            return;
        };
        let turns = self.pairing.agent_turns().ask(Duration::ZERO).await;
        let address = self.upstream.to_string();
        let is_quiet = {
            let mut quiet = power.quiet.lock();
            if turns.is_none() && !std::mem::replace(&mut quiet.is_unknown_told, true) {
                let t3 = &*address;
                limited!(INFO, "a t3 that nobody uses is not stopped: what its agents do is not known"; t3);
            }
            quiet.note(turns, after, Instant::now())
        };
        let is_idle = || self.usage.idle_for().is_some_and(|idle| idle >= after);
        if !is_quiet || !power.begin_stop(is_idle) {
            return;
        }
        match power.run(PowerCommand::Sleep, turn, &address).await {
            true => self.readiness.put_to_sleep(),
            false => {
                let later = Instant::now() + after.max(ASK_PAUSE);
                power.quiet.lock().not_before = Some(later);
                // It may have stopped all the same.
                self.readiness.doubt(Doubt::Lost);
            }
        }
        power.stop_ended();
    }
}
