//! A thread in t3's list of protocol 1, as v0.0.42 sends it (contract §13). Pure.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A thread of protocol 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadOfOne {
    #[serde(deserialize_with = "Option::deserialize")]
    session: Option<Session>,
    has_pending_approvals: bool,
    has_pending_user_input: bool,
    has_actionable_proposed_plan: bool,
    background_liveness: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Session {
    status: SessionStatus,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SessionStatus {
    Idle,
    Starting,
    Running,
    Ready,
    Interrupted,
    Stopped,
    Error,
}

impl ThreadOfOne {
    /// Is an agent at work in it? By what t3 itself goes before it settles a thread.
    pub(super) fn is_busy(&self) -> bool {
        let is_at_work = |session: &Session| {
            matches!(
                session.status,
                SessionStatus::Starting | SessionStatus::Running
            )
        };
        self.session.as_ref().is_some_and(is_at_work)
            || self.background_liveness.is_some()
            || self.has_pending_approvals
            || self.has_pending_user_input
    }

    /// Does it wait for a person?
    pub(super) fn waits(&self) -> bool {
        self.has_pending_approvals
            || self.has_pending_user_input
            || self.has_actionable_proposed_plan
    }
}

#[cfg(test)]
mod tests {
    use crate::upstream::descriptor::Protocol;
    use crate::upstream::turns::{Turns, read};

    fn turns(running: usize, waiting_for_person: usize) -> Option<Turns> {
        Some(Turns {
            running,
            waiting_for_person,
        })
    }

    #[test]
    fn a_thread_of_v0_0_42_is_at_work_by_its_session() {
        let of_one = |session: &str, rest: &str| {
            let thread = format!(
                r#"{{"id":"a","session":{session},"hasPendingApprovals":false,"hasPendingUserInput":false,"hasActionableProposedPlan":false,"backgroundLiveness":null}}"#
            );
            let thread = match rest.split_once(':') {
                Some((name, _)) => {
                    let start = thread.find(name).expect("a field");
                    let end = start + thread[start..].find([',', '}']).expect("its end");
                    format!("{}{rest}{}", &thread[..start], &thread[end..])
                }
                None => thread,
            };
            let body = format!(
                r#"{{"snapshotSequence":8,"projects":[],"threads":[{thread}],"updatedAt":"2026-11-29T13:04:00.637Z"}}"#
            );
            read(body.as_bytes(), &Protocol::One)
        };
        for (status, running) in [
            ("idle", 0),
            ("starting", 1),
            ("running", 1),
            ("ready", 0),
            ("interrupted", 0),
            ("stopped", 0),
            ("error", 0),
        ] {
            let session = format!(r#"{{"threadId":"a","status":"{status}","activeTurnId":null}}"#);
            assert_eq!(of_one(&session, ""), turns(running, 0), "{status}");
        }
        for (session, rest, expected) in [
            ("null", "", turns(0, 0)),
            ("null", r#""backgroundLiveness":"monitoring""#, turns(1, 0)),
            ("null", r#""hasPendingApprovals":true"#, turns(1, 1)),
            ("null", r#""hasPendingUserInput":true"#, turns(1, 1)),
            ("null", r#""hasActionableProposedPlan":true"#, turns(0, 1)),
            (r#"{"status":"thinking"}"#, "", None),
            (r#"{}"#, "", None),
            ("null", r#""hasPendingApprovals":null"#, None),
        ] {
            assert_eq!(of_one(session, rest), expected, "{session} {rest}");
        }
        let without = r#"{"threads":[{"hasPendingApprovals":false,"hasPendingUserInput":false,"hasActionableProposedPlan":false}]}"#;
        assert_eq!(read(without.as_bytes(), &Protocol::One), None);
    }
}
