//! What t3's agents do, as its list of threads tells (contract §13). Pure.

use http::HeaderValue;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::upstream::descriptor::Protocol;
use crate::upstream::turns_of_one::ThreadOfOne;

/// Where t3 lists its threads.
pub const SHELL: &str = "/api/orchestration/shell";

/// The field that names the protocol, where t3 demands it.
pub const PROTOCOL: http::HeaderName = http::HeaderName::from_static("x-t3-orchestration-protocol");

/// What t3's agents do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    /// Threads in which a turn or work in the background is under way, also one that waits for a person.
    pub running: usize,
    /// Threads that wait for a person: for an approval, an answer, or a word on a plan.
    pub waiting_for_person: usize,
}

/// A list of threads, archived ones apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shell<T> {
    threads: Vec<T>,
    #[serde(default = "Vec::new")]
    archived_threads: Vec<T>,
}

/// A thread of protocol 2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThreadOfTwo {
    status: RunStatus,
    activity_run_status: Option<RunStatus>,
    #[serde(deserialize_with = "Option::deserialize")]
    pending_runtime_request: Option<IgnoredAny>,
    #[serde(default)]
    has_actionable_proposed_plan: bool,
    #[serde(default)]
    pending_background_tasks: Vec<IgnoredAny>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RunStatus {
    Idle,
    Preparing,
    Queued,
    Starting,
    Running,
    Waiting,
    Completed,
    Interrupted,
    Failed,
    Cancelled,
    RolledBack,
}

/// The value of [`PROTOCOL`] for a t3 of `protocol`, if it demands one.
pub fn protocol_field(protocol: &Protocol) -> Option<HeaderValue> {
    (*protocol == Protocol::Two).then(|| HeaderValue::from_static("2"))
}

/// What the threads in `body` do, which a t3 of `protocol` sent; `None` where any of it is not known: whoever
/// stops a t3 by this must not stop an agent.
pub fn read(body: &[u8], protocol: &Protocol) -> Option<Turns> {
    match protocol {
        Protocol::One => turns_in(body, ThreadOfOne::is_busy, ThreadOfOne::waits),
        Protocol::Two => turns_in(body, ThreadOfTwo::is_busy, ThreadOfTwo::waits),
        Protocol::Newer(_) | Protocol::Unreadable => None,
    }
}

fn turns_in<T: DeserializeOwned>(
    body: &[u8],
    is_busy: impl Fn(&T) -> bool,
    waits: impl Fn(&T) -> bool,
) -> Option<Turns> {
    let shell: Shell<T> = serde_json::from_slice(body).ok()?;
    let threads = || shell.threads.iter().chain(&shell.archived_threads);
    Some(Turns {
        running: threads().filter(|thread| is_busy(thread)).count(),
        waiting_for_person: threads().filter(|thread| waits(thread)).count(),
    })
}

impl ThreadOfTwo {
    fn is_busy(&self) -> bool {
        self.status.is_under_way()
            || self
                .activity_run_status
                .is_some_and(RunStatus::is_under_way)
            || !self.pending_background_tasks.is_empty()
            || self.pending_runtime_request.is_some()
    }

    fn waits(&self) -> bool {
        self.pending_runtime_request.is_some() || self.has_actionable_proposed_plan
    }
}

impl RunStatus {
    fn is_under_way(self) -> bool {
        matches!(
            self,
            Self::Preparing | Self::Queued | Self::Starting | Self::Running | Self::Waiting
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(running: usize, waiting_for_person: usize) -> Option<Turns> {
        Some(Turns {
            running,
            waiting_for_person,
        })
    }

    /// What a t3 of protocol 2 does whose only thread is `thread`.
    fn of_two(thread: &str) -> Option<Turns> {
        let body = format!(
            r#"{{"schemaVersion":1,"snapshotSequence":7,"projects":[],"threads":[{thread}],"archivedThreads":[]}}"#
        );
        read(body.as_bytes(), &Protocol::Two)
    }

    #[test]
    fn a_thread_of_protocol_2_is_at_work_by_its_status() {
        for (status, running) in [
            ("idle", 0),
            ("preparing", 1),
            ("queued", 1),
            ("starting", 1),
            ("running", 1),
            ("waiting", 1),
            ("completed", 0),
            ("interrupted", 0),
            ("failed", 0),
            ("cancelled", 0),
            ("rolled_back", 0),
        ] {
            let rest = r#""pendingRuntimeRequest":null"#;
            let thread = format!(r#"{{"id":"a","status":"{status}",{rest},"title":"t"}}"#);
            assert_eq!(of_two(&thread), turns(running, 0), "{status}");
            let thread = format!(
                r#"{{"status":"completed","activityRunStatus":"{status}",{rest},"pendingBackgroundTasks":[]}}"#
            );
            assert_eq!(of_two(&thread), turns(running, 0), "{status}");
        }
        for (thread, expected) in [
            (
                r#""status":"completed","pendingRuntimeRequest":null,"pendingBackgroundTasks":[{"taskId":"x"}]"#,
                turns(1, 0),
            ),
            (
                r#""status":"waiting","pendingRuntimeRequest":{"id":"x","kind":"user_input","createdAt":"now"}"#,
                turns(1, 1),
            ),
            (
                r#""status":"idle","activityRunStatus":null,"pendingRuntimeRequest":{"kind":"of_next_year"}"#,
                turns(1, 1),
            ),
            (
                r#""status":"completed","pendingRuntimeRequest":null,"hasActionableProposedPlan":true"#,
                turns(0, 1),
            ),
            // What is not known.
            (r#""status":"thinking","pendingRuntimeRequest":null"#, None),
            (r#""status":"Running","pendingRuntimeRequest":null"#, None),
            (r#""status":null,"pendingRuntimeRequest":null"#, None),
            (r#""pendingRuntimeRequest":null"#, None),
            (r#""status":"idle""#, None),
            (
                r#""status":"idle","activityRunStatus":"thinking","pendingRuntimeRequest":null"#,
                None,
            ),
            (
                r#""status":"idle","pendingRuntimeRequest":null,"pendingBackgroundTasks":2"#,
                None,
            ),
            (
                r#""status":"idle","pendingRuntimeRequest":null,"hasActionableProposedPlan":"no""#,
                None,
            ),
            (
                r#""status":"idle","status":"running","pendingRuntimeRequest":null"#,
                None,
            ),
        ] {
            assert_eq!(of_two(&format!("{{{thread}}}")), expected, "{thread}");
        }
    }

    #[test]
    fn what_is_no_list_of_that_protocol_is_not_known() {
        let none = r#"{"threads":[]}"#;
        for protocol in [Protocol::One, Protocol::Two] {
            assert_eq!(read(none.as_bytes(), &protocol), turns(0, 0));
            for body in [
                "",
                "<!doctype html>",
                "[]",
                "{}",
                r#"{"threads":null}"#,
                r#"{"threads":[{}]}"#,
                r#"{"threads":[]} x"#,
                r#"{"threads":[],"archivedThreads":[{}]}"#,
                r#"{"threads":[{"status":"running","pendingRuntimeRequest":null},"#,
            ] {
                assert_eq!(read(body.as_bytes(), &protocol), None, "{body}");
            }
        }
        let archived = r#"{"threads":[],"archivedThreads":[{"status":"running","pendingRuntimeRequest":null}]}"#;
        assert_eq!(read(archived.as_bytes(), &Protocol::Two), turns(1, 0));
        for protocol in [Protocol::Newer(3), Protocol::Unreadable] {
            assert_eq!(read(none.as_bytes(), &protocol), None);
        }
    }
}
