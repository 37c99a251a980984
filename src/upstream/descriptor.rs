//! What t3 says of itself when it is probed.

use std::time::Duration;

use serde_json::Value;

use crate::http_rules::cookies;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::error::Failure;
use crate::upstream::health::HealthState;

/// How long a probe waits for its response. In its first second t3 accepts connections that it never
/// responds on (contract §7).
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Probes once, on a new connection; returns the cookie's name where t3 responds and advertises one.
pub(super) async fn probe(upstream: &Upstream) -> Result<Option<String>, HealthState> {
    let environment = ApiCall::get("/.well-known/t3/environment");
    if let Err(failure) = upstream.call(environment, PROBE_TIMEOUT).await {
        return Err(match failure {
            Failure::Unreachable(_) | Failure::ConnectTimeout => HealthState::Down,
            _ => HealthState::Starting,
        });
    }
    let session = upstream.call(ApiCall::get("/api/auth/session"), PROBE_TIMEOUT);
    let advertised = session.await.ok().and_then(|answer| {
        let value: Value = serde_json::from_slice(answer.body()).ok()?;
        let name = value["auth"]["sessionCookieName"].as_str()?;
        cookies::is_cookie_name(name).then(|| name.to_owned())
    });
    Ok(advertised)
}
