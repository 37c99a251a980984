//! `GET /api/orchestration/shell` and its like, of a server whose threads are a setting.

use serde_json::Value;

use super::exchange::Exchange;
use super::{errors, identity};
use crate::edition::Facts;
use crate::http::response::Response;
use crate::store::sessions::SessionRow;

/// The header that names the protocol, where one is demanded (contract §5).
const PROTOCOL: &str = "x-t3-orchestration-protocol";

const THREADS: &str = "/api/orchestration/threads/";

pub(super) fn shell(exchange: &Exchange<'_>) -> Response {
    let is_of_protocol_2 = exchange.state.facts.orchestration_protocol.is_some();
    match checked(exchange) {
        Ok(_) => Response::json(200, body(exchange, is_of_protocol_2)),
        Err(refusal) => refusal,
    }
}

/// Is a thread's route; protocol 2 has parts of one, too (contract §12).
pub(super) fn is_thread(facts: &Facts, route: &str) -> bool {
    let parts = facts.orchestration_protocol.is_some();
    route
        .strip_prefix(THREADS)
        .is_some_and(|rest| match rest.split_once('/') {
            None => !rest.is_empty(),
            Some((id, part)) => parts && !id.is_empty() && matches!(part, "bounded" | "history"),
        })
}

/// One of the threads that the setting has, as it is there.
pub(super) fn thread(exchange: &Exchange<'_>, route: &str) -> Response {
    let id = route.strip_prefix(THREADS).unwrap_or_default();
    let id = id.split('/').next().unwrap_or_default();
    let threads = serde_json::from_str(&exchange.faults.shell_threads);
    let threads: Vec<Value> = threads.unwrap_or_default();
    match (
        checked(exchange),
        threads.iter().find(|thread| thread["id"] == id),
    ) {
        (Err(refusal), _) => refusal,
        (Ok(_), Some(thread)) => Response::json(200, thread.to_string()),
        (Ok(_), None) => errors::not_found("thread_not_found"),
    }
}

/// In the order 401, 400, 403 (contract §5).
fn checked(exchange: &Exchange<'_>) -> Result<SessionRow, Response> {
    let number = exchange.state.facts.orchestration_protocol;
    identity::require(exchange).and_then(|_| match number {
        Some(number) if exchange.head.get(PROTOCOL) != Some(&number.to_string()) => {
            Err(Response::empty(400))
        }
        _ => identity::require_scope(exchange, "orchestration:read"),
    })
}

fn body(exchange: &Exchange<'_>, is_of_protocol_2: bool) -> String {
    let faults = &exchange.faults;
    if let Some(body) = &faults.shell_body {
        return body.clone();
    }
    let threads = &faults.shell_threads;
    match is_of_protocol_2 {
        true => format!(
            r#"{{"schemaVersion":1,"snapshotSequence":0,"projects":[],"threads":{threads},"archivedThreads":[]}}"#
        ),
        false => format!(
            r#"{{"snapshotSequence":0,"projects":[],"threads":{threads},"updatedAt":"1970-01-01T00:00:00.000Z"}}"#
        ),
    }
}
