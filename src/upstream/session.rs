//! Asks t3 whether a session is alive (contract §3).

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::upstream::api_call::ApiCall;
use crate::upstream::client::Upstream;

/// How long t3 may take for it. It takes one read of its database (contract §3).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The credential of a session: a field and its value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionCredential(HeaderName, HeaderValue);

impl SessionCredential {
    /// The cookie called `name`. `None` where its value is invalid in a field.
    pub fn cookie(name: &str, value: &[u8]) -> Option<Self> {
        let line = [name.as_bytes(), b"=", value].concat();
        Some(Self(COOKIE, HeaderValue::from_bytes(&line).ok()?))
    }

    /// An `Authorization` field.
    pub fn authorization(value: HeaderValue) -> Self {
        Self(http::header::AUTHORIZATION, value)
    }
}

impl std::fmt::Debug for SessionCredential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SessionCredential(…)")
    }
}

/// Is the session alive? `None` where t3 gives no definite answer.
pub async fn is_alive(upstream: &Upstream, proof: &SessionCredential) -> Option<bool> {
    let SessionCredential(field, value) = proof.clone();
    let call = ApiCall::get("/api/auth/session").with(field, Some(value));
    let answer = upstream.call(call, ANSWER_TIMEOUT).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let said: Value = serde_json::from_slice(answer.body()).ok()?;
    said["authenticated"].as_bool()
}
