//! The API's error responses, in t3's words.

use crate::http::response::Response;
use crate::random;

pub(super) const MISSING: &str = "missing_credential";
pub(super) const INVALID: &str = "invalid_credential";

/// 401, without the reason (contract §2).
pub(super) fn unauthorized(reason: &str) -> Response {
    tagged(
        401,
        "EnvironmentAuthInvalidError",
        "auth_invalid",
        "reason",
        reason,
    )
}

pub(super) fn insufficient_scope(required: &str) -> Response {
    tagged(
        403,
        "EnvironmentScopeRequiredError",
        "insufficient_scope",
        "requiredScope",
        required,
    )
}

pub(super) fn operation_forbidden(reason: &str) -> Response {
    tagged(
        403,
        "EnvironmentOperationForbiddenError",
        "operation_forbidden",
        "reason",
        reason,
    )
}

pub(super) fn internal(reason: &str) -> Response {
    tagged(
        500,
        "EnvironmentInternalError",
        "internal_error",
        "reason",
        reason,
    )
}

/// As in v0.0.24 (contract §8).
pub(super) fn old(status: u16, error: &str) -> Response {
    Response::json(status, format!(r#"{{"error":"{error}"}}"#))
}

fn tagged(status: u16, tag: &str, code: &str, detail: &str, value: &str) -> Response {
    let trace = random::trace_id();
    Response::json(
        status,
        format!(r#"{{"_tag":"{tag}","code":"{code}","{detail}":"{value}","traceId":"{trace}"}}"#),
    )
}
