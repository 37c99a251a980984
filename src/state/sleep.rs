//! Stops a t3 that nobody has used for a while, and whose agents do nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limited;
use crate::metrics::power::PowerCommand;
use crate::state::instance::Instance;
use crate::state::instances::Instances;
use crate::upstream::health_state::Doubt;
use crate::upstream::turns::Turns;

/// How soon a t3 is asked again whose agent was at work, and how long it is left alone at least where that is
/// not known.
const ASK_PAUSE: Duration = Duration::from_secs(60);

/// The least time between two looks at all t3s.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// What is known of a t3 that nobody uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    /// It is being asked, or stopped.
    is_asked: bool,
    /// It is not asked before.
    not_before: Option<Instant>,
    /// When an agent was last seen at work, or to wait for a person.
    busy: Option<Instant>,
    is_unknown_told: bool,
}

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

impl Quiet {
    /// Notes what t3's agents do `now`; true if they have done nothing for `after`, as far as was seen.
    fn note(&mut self, turns: Option<Turns>, after: Duration, now: Instant) -> bool {
        let Some(turns) = turns else {
            self.not_before = Some(now + after.max(ASK_PAUSE));
            return false;
        };
        if turns.running > 0 || turns.waiting_for_person > 0 {
            self.busy = Some(now);
            self.not_before = Some(now + after.min(ASK_PAUSE));
            return false;
        }
        self.not_before = self.busy.map(|busy| busy + after);
        self.not_before.is_none_or(|from| from <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quiet_when_no_agent_was_seen_at_work_for_long() {
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        let start = Instant::now();
        let turns = |running, waiting_for_person| {
            Some(Turns {
                running,
                waiting_for_person,
            })
        };
        let mut quiet = Quiet::default();
        assert!(quiet.note(turns(0, 0), hour, start), "none was ever seen");
        for (turns, later) in [
            (turns(1, 0), minute),
            (turns(0, 1), minute),
            (turns(2, 1), minute),
            (None, hour),
        ] {
            assert!(!quiet.note(turns, hour, start), "{turns:?}");
            assert_eq!(quiet.not_before, Some(start + later), "{turns:?}");
        }
        let (before, after) = (start + hour - minute, start + hour);
        assert!(
            !quiet.note(turns(0, 0), hour, before),
            "an agent was at work"
        );
        assert_eq!(quiet.not_before, Some(after));
        assert!(quiet.note(turns(0, 0), hour, after));
        let second = Duration::from_secs(1);
        assert!(!quiet.note(None, second, start));
        assert_eq!(quiet.not_before, Some(start + minute), "not soon again");
    }
}
