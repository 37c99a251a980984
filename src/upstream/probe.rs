//! One probe of t3: what it says of itself, and whether it is t3 at all.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::http_rules::cookies;
use crate::limited;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::descriptor::{DESCRIPTOR, Descriptor};
use crate::upstream::error::Failure;
use crate::upstream::health_state::HealthState;

/// How long t3 may take for a probe before it is called starting or busy, and a probe for its connection.
/// In its first second t3 accepts connections that it never responds on, and protocol 2 then holds
/// requests until it is ready, for minutes where it imports a database (contract §7): the probe is
/// repeated, and the first that t3 answers tells that it is up.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The field of a probe, with the id of the process that has sent it. A dispatcher that is sent its own is
/// its own upstream, by whatever name and through whatever proxy.
pub const PROBED_BY: HeaderName = HeaderName::from_static("x-t3-dispatcher-probe");

/// Where a dispatcher says that it serves, whatever its t3 does: by 200 and `SERVES`.
pub const HEALTH: &str = "/healthz";
const SERVES: &[u8] = b"ok";

/// What a probe has learned.
#[derive(Debug, Clone, Default)]
pub(super) struct Advertised {
    /// What t3 says of itself; nothing of a dispatcher.
    pub(super) descriptor: Option<Descriptor>,
    /// The name of the session cookie, where t3 says one.
    pub(super) cookie_name: Option<Arc<str>>,
}

/// Why a probe has learned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// t3 is away, as it says by an error, or by what it does to the connection.
    Away(HealthState),
    /// It accepted the connection and has not responded in time.
    Silent,
    /// It was not asked: this process has no descriptor for a connection.
    Unasked,
}

impl Upstream {
    /// Where it is asked whether it is there.
    pub fn health_path(&self) -> &'static str {
        match self.config.inner {
            None => DESCRIPTOR,
            Some(_) => HEALTH,
        }
    }
}

/// Is a request for `path` with `headers` a probe that the process called `id` has sent?
pub fn is_probe_of(id: &HeaderValue, path: &str, headers: &HeaderMap) -> bool {
    matches!(path, DESCRIPTOR | HEALTH) && headers.get(&PROBED_BY) == Some(id)
}

/// A number that no other process has. It need not be secret.
pub fn process_id() -> HeaderValue {
    HeaderValue::from(RandomState::new().hash_one(std::process::id()))
}

/// Probes once, on a new connection, for whose response there is `limit`; returns what t3 advertises where
/// it responds. Notes in `is_accepted` that it has the connection.
pub(super) async fn probe(
    upstream: &Upstream,
    limit: Duration,
    is_accepted: &AtomicBool,
) -> Result<Advertised, Unanswered> {
    let away = |state| Err(Unanswered::Away(state));
    let connection = match timeout(PROBE_TIMEOUT, upstream.connect()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(Failure::NoDescriptors(_))) => return Err(Unanswered::Unasked),
        _ => return away(HealthState::Down),
    };
    is_accepted.store(true, Ordering::Relaxed);
    let path = upstream.health_path();
    let call = ApiCall::get(path).with(PROBED_BY, Some(upstream.id().clone()));
    let descriptor = match upstream.call_on(connection, call, limit).await {
        Ok(answer) if is_from_itself(answer.headers(), upstream.id()) => {
            return away(HealthState::Itself);
        }
        // A start that has failed (contract §7), or a proxy before a t3 that is not there.
        Ok(answer) if answer.status().is_server_error() => return away(HealthState::Starting),
        Ok(answer) if path == HEALTH => return serves(&answer, upstream),
        Ok(answer) if answer.status() == StatusCode::OK => Descriptor::read(answer.body()),
        Ok(_) => Descriptor::of(&Value::Null),
        Err(Failure::ResponseTimeout) => return Err(Unanswered::Silent),
        Err(_) => return away(HealthState::Starting),
    };
    let session = upstream.call(ApiCall::get("/api/auth/session"), PROBE_TIMEOUT);
    let cookie_name = session.await.ok().and_then(|answer| {
        let value: Value = serde_json::from_slice(answer.body()).ok()?;
        let name = value["auth"]["sessionCookieName"].as_str()?;
        cookies::is_cookie_name(name).then(|| name.into())
    });
    Ok(Advertised {
        descriptor: Some(descriptor),
        cookie_name,
    })
}

/// Is it a dispatcher that has given `answer`? Nothing else is told who somebody is, nor the secret.
fn serves(answer: &Response<Bytes>, upstream: &Upstream) -> Result<Advertised, Unanswered> {
    if answer.status() == StatusCode::OK && answer.body() == SERVES {
        return Ok(Advertised::default());
    }
    limited!(ERROR, "what listens there is no dispatcher: nothing is sent to it"; %upstream);
    Err(Unanswered::Away(HealthState::Starting))
}

/// Has this process responded to its own probe?
fn is_from_itself(headers: &HeaderMap, id: &HeaderValue) -> bool {
    headers.get(&PROBED_BY) == Some(id)
}
