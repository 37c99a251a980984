//! `GET /api/orchestration/shell` and its like, of a server whose threads are a setting.

use super::exchange::Exchange;
use super::identity;
use crate::http::response::Response;

/// The header that names the protocol, where one is demanded (contract §5).
const PROTOCOL: &str = "x-t3-orchestration-protocol";

/// In the order 401, 400, 403 (contract §5).
pub(super) fn shell(exchange: &Exchange<'_>) -> Response {
    let number = exchange.state.facts.orchestration_protocol;
    let checked = identity::require(exchange).and_then(|_| match number {
        Some(number) if exchange.head.get(PROTOCOL) != Some(&number.to_string()) => {
            Err(Response::empty(400))
        }
        _ => identity::require_scope(exchange, "orchestration:read"),
    });
    match checked {
        Ok(_) => Response::json(200, body(exchange, number.is_some())),
        Err(refusal) => refusal,
    }
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
