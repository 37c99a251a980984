//! `GET /api/orchestration/shell` and its like, of a server without projects.

use super::exchange::Exchange;
use super::identity;
use crate::http::response::Response;

/// The header that names the protocol, where one is demanded (contract §5).
const PROTOCOL: &str = "x-t3-orchestration-protocol";

const PROTOCOL_1: &str =
    r#"{"snapshotSequence":0,"projects":[],"threads":[],"updatedAt":"1970-01-01T00:00:00.000Z"}"#;
const PROTOCOL_2: &str =
    r#"{"schemaVersion":1,"snapshotSequence":0,"projects":[],"threads":[],"archivedThreads":[]}"#;

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
        Ok(_) => Response::json(200, number.map_or(PROTOCOL_1, |_| PROTOCOL_2)),
        Err(refusal) => refusal,
    }
}
