//! How long the agents of a t3 that nobody uses have done nothing. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::turns::Turns;

/// How soon a t3 is asked again whose agent was at work, and how long it is left alone at least where that is
/// not known.
pub(super) const ASK_PAUSE: Duration = Duration::from_secs(60);

/// What is known of a t3 that nobody uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    /// It is being asked, or stopped.
    pub(super) is_asked: bool,
    /// It is not asked before.
    pub(super) not_before: Option<Instant>,
    /// When an agent was last seen at work, or to wait for a person.
    busy: Option<Instant>,
    pub(super) is_unknown_told: bool,
}

impl Quiet {
    /// Notes what t3's agents do `now`; true if they have done nothing for `after`, as far as was seen.
    pub(super) fn note(&mut self, turns: Option<Turns>, after: Duration, now: Instant) -> bool {
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
