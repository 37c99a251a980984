//! The API's error responses, in t3's words.

use crate::edition::Facts;
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

pub(super) fn insufficient_scope(facts: &Facts, required: &str) -> Response {
    let detail = match facts.shows_permissions {
        true => format!(r#""requiredScope":"{required}","requiredPermission":"{required}""#),
        false => format!(r#""requiredScope":"{required}""#),
    };
    detailed(
        403,
        "EnvironmentScopeRequiredError",
        "insufficient_scope",
        &detail,
    )
}

/// 400 for scopes, and what else is understood and cannot be done.
pub(super) fn invalid_request(reason: &str) -> Response {
    tagged(
        400,
        "EnvironmentRequestInvalidError",
        "invalid_request",
        "reason",
        reason,
    )
}

/// 401 for a proof of possession that is none.
pub(super) fn invalid_proof() -> Response {
    let detail = format!(r#""reason":"{INVALID}","dpopFailureReason":"invalid_proof""#);
    detailed(401, "EnvironmentAuthInvalidError", "auth_invalid", &detail)
        .with("www-authenticate", "DPoP")
}

/// 426: a WebSocket of another protocol, or none (contract §5).
pub(super) fn incompatible_protocol(number: u8) -> Response {
    Response::json(
        426,
        format!(
            r#"{{"code":"orchestration_protocol_incompatible","message":"Update this client to one that supports orchestration protocol {number}.","orchestrationProtocolVersion":{number}}}"#
        ),
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

/// 404 for what a route of the API names.
pub(super) fn not_found(reason: &str) -> Response {
    tagged(
        404,
        "EnvironmentResourceNotFoundError",
        "not_found",
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
    detailed(status, tag, code, &format!(r#""{detail}":"{value}""#))
}

fn detailed(status: u16, tag: &str, code: &str, detail: &str) -> Response {
    let trace = random::trace_id();
    Response::json(
        status,
        format!(r#"{{"_tag":"{tag}","code":"{code}",{detail},"traceId":"{trace}"}}"#),
    )
}
