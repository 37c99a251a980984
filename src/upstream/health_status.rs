//! What is known about t3, and how doubts and probes change it. Pure.

use std::sync::Arc;

use crate::http_rules::cookies;
use crate::upstream::descriptor::Descriptor;
use crate::upstream::health_state::{Doubt, HealthState};
use crate::upstream::probe::Advertised;

/// What is known about t3.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its state.
    pub state: HealthState,
    /// The name of its session cookie, as it advertises it (contract §3).
    pub cookie_name: Arc<str>,
    /// What it says of itself; nothing before it has first been up, and of a dispatcher.
    pub descriptor: Option<Arc<Descriptor>>,
    /// How often it has come up, and may be another one.
    pub incarnation: u64,
    /// How often it has come up after it was away or silent: what it was asked before is lost.
    pub(super) restarts: u64,
    /// How often it began to respond on new connections after it had been silent on earlier ones: what
    /// was sent on those will never have a response (contract §7).
    pub(super) silences: u64,
    /// What speaks against it since it was last up.
    doubt: Option<Doubt>,
    /// The state that was last reported.
    pub(super) reported: Option<HealthState>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: HealthState::Unknown,
            cookie_name: cookies::DEFAULT_COOKIE_NAME.into(),
            descriptor: None,
            incarnation: 0,
            restarts: 0,
            silences: 0,
            doubt: None,
            reported: None,
        }
    }
}

impl Status {
    /// `doubt` is cast on t3. True if it has to be probed for that.
    pub(super) fn doubted(&mut self, doubt: Doubt) -> bool {
        let was_asked = self.state.is_asked();
        let is_new = match self.state {
            HealthState::Up => true,
            HealthState::Busy | HealthState::Doubtful => Some(doubt) > self.doubt,
            _ => false,
        };
        if is_new {
            self.state = HealthState::Doubtful;
            self.doubt = self.doubt.max(Some(doubt));
        }
        is_new && was_asked
    }

    /// A probe has its response; `was_silent` if an earlier one that t3 has accepted has none. True if it is
    /// another t3 than before.
    pub(super) fn came_up(&mut self, advertised: Advertised, was_silent: bool) -> bool {
        let has_lost = was_silent || self.state.is_away();
        let found = advertised.descriptor;
        let is_another = found.is_some() && self.descriptor.as_deref() != found.as_ref();
        let is_first = self.incarnation == 0;
        let may_be_another = has_lost || is_another || is_first || self.doubt == Some(Doubt::Lost);
        self.silences += u64::from(was_silent);
        self.restarts += u64::from(has_lost);
        self.incarnation += u64::from(may_be_another);
        self.state = HealthState::Up;
        self.doubt = None;
        self.descriptor = found.map(Arc::new);
        if let Some(name) = advertised.cookie_name {
            self.cookie_name = name;
        }
        is_another
    }

    /// A probe has found t3 to be away, as `state` says.
    pub(super) fn went_away(&mut self, state: HealthState) {
        self.doubt = Some(Doubt::Lost);
        self.state = state;
    }

    /// It was away, and is not probed any more: it is asleep if it is down and `can_be_woken`.
    pub(super) fn was_left_alone(&mut self, can_be_woken: bool) {
        self.state = match self.state {
            HealthState::Down | HealthState::Asleep if can_be_woken => HealthState::Asleep,
            _ => HealthState::Unknown,
        };
    }

    /// It was stopped, as nobody used it.
    pub(super) fn was_put_to_sleep(&mut self) {
        self.went_away(HealthState::Asleep);
    }

    /// Somebody wants it who may have it started: it is looked at first.
    pub(super) fn was_wanted(&mut self) {
        if self.state == HealthState::Asleep {
            self.state = HealthState::Unknown;
        }
    }

    /// A doubt could not be looked into, for a cause of this process: what was known before holds.
    pub(super) fn was_not_asked(&mut self) {
        if self.state == HealthState::Doubtful {
            self.state = HealthState::Up;
            self.doubt = None;
        }
    }

    /// t3 accepts probes and responds to none: it is starting where something speaks for that.
    pub(super) fn was_silent(&mut self) {
        self.state = match self.is_suspect() {
            true => HealthState::Starting,
            false => HealthState::Busy,
        };
    }

    /// Is there evidence that the t3 which was up has gone, or was none up yet?
    pub(super) fn is_suspect(&self) -> bool {
        self.incarnation == 0 || self.doubt.is_some_and(Doubt::is_evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertised(descriptor: &str) -> Advertised {
        Advertised {
            descriptor: Some(Descriptor::read(descriptor.as_bytes())),
            cookie_name: None,
        }
    }

    /// One that is up.
    fn up() -> Status {
        let mut status = Status::default();
        assert!(status.came_up(advertised("{}"), false));
        status
    }

    #[test]
    fn what_a_start_has_lost_is_known_once_t3_answers() {
        let mut status = up();
        let lost = |status: &Status| (status.restarts, status.silences);
        let before = lost(&status);
        for doubt in [Doubt::Unseen, Doubt::Closed, Doubt::Lost] {
            assert!(status.doubted(doubt));
            assert_eq!(lost(&status), before, "it may be there");
            status.came_up(advertised("{}"), false);
            assert_eq!(lost(&status), before, "it was there");
        }
        status.doubted(Doubt::Unseen);
        status.came_up(advertised("{}"), true);
        let (restarts, silences) = before;
        assert_eq!(lost(&status), (restarts + 1, silences + 1), "it was silent");
        status.doubted(Doubt::Unseen);
        status.went_away(HealthState::Down);
        status.came_up(advertised("{}"), false);
        assert_eq!(lost(&status), (restarts + 2, silences + 1), "it was away");
    }

    #[test]
    fn one_that_was_asleep_is_another_when_it_is_up_again() {
        let mut status = up();
        let before = status.incarnation;
        status.was_put_to_sleep();
        assert!(status.state.is_away(), "what it was asked is lost");
        assert!(!status.doubted(Doubt::Lost), "it is not probed");
        status.was_left_alone(true);
        assert_eq!(status.state, HealthState::Asleep);
        status.was_wanted();
        assert!(status.state.is_open());
        status.came_up(advertised("{}"), false);
        assert_eq!(status.incarnation, before + 1);
        for (state, can_be_woken, expected) in [
            (HealthState::Down, true, HealthState::Asleep),
            (HealthState::Down, false, HealthState::Unknown),
            (HealthState::Starting, true, HealthState::Unknown),
        ] {
            status.went_away(state);
            status.was_left_alone(can_be_woken);
            assert_eq!(status.state, expected, "{state}");
        }
    }

    #[test]
    fn silence_is_a_start_only_where_something_speaks_for_one() {
        for (doubts, state) in [
            (&[Doubt::Unseen][..], HealthState::Busy),
            (&[Doubt::Closed], HealthState::Starting),
            (&[Doubt::Lost], HealthState::Starting),
            (&[Doubt::Unseen, Doubt::Closed], HealthState::Starting),
            (&[Doubt::Lost, Doubt::Unseen], HealthState::Starting),
        ] {
            let mut status = up();
            for doubt in doubts {
                status.doubted(*doubt);
            }
            status.was_silent();
            assert_eq!(status.state, state, "{doubts:?}");
        }
        let mut new = Status::default();
        assert!(!new.doubted(Doubt::Unseen), "it is probed already");
        assert_eq!(new.state, HealthState::Unknown);
        new.was_silent();
        assert_eq!(new.state, HealthState::Starting, "it never was up");
        let mut refusing = up();
        refusing.went_away(HealthState::Down);
        refusing.was_silent();
        assert_eq!(refusing.state, HealthState::Starting);
    }

    #[test]
    fn one_that_is_busy_is_asked_until_something_speaks_against_it() {
        let mut status = up();
        status.doubted(Doubt::Unseen);
        assert!(status.state.is_open());
        status.was_silent();
        assert!(!status.doubted(Doubt::Unseen));
        assert!(status.state == HealthState::Busy && status.state.is_asked());
        assert!(status.doubted(Doubt::Closed));
        assert!(status.state.is_open());
        status.was_silent();
        assert_eq!(status.state, HealthState::Starting);
        status.came_up(advertised("{}"), false);
        status.doubted(Doubt::Unseen);
        status.was_silent();
        assert_eq!(status.state, HealthState::Busy, "all is forgotten");
    }

    #[test]
    fn a_doubt_that_was_unfounded_is_no_new_t3() {
        let mut status = up();
        for (doubt, descriptor, is_new) in [
            (Doubt::Unseen, "{}", false),
            (Doubt::Closed, "{}", false),
            (Doubt::Unseen, r#"{"serverVersion":"2"}"#, true),
            (Doubt::Lost, r#"{"serverVersion":"2"}"#, true),
        ] {
            let before = status.incarnation;
            status.doubted(doubt);
            status.came_up(advertised(descriptor), false);
            let expected = before + u64::from(is_new);
            assert_eq!(status.incarnation, expected, "{doubt:?} {descriptor}");
        }
    }
}
