//! What t3 says of a session (contract §3).

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::upstream::api_call::Call;
use crate::upstream::client::Upstream;

/// How long t3 may take for it. It needs one read of its database (contract §3).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// By what a session is shown to t3: a field and its value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proof(HeaderName, HeaderValue);

impl Proof {
    /// The cookie called `name`. `None` where its value cannot stand in a field.
    pub fn cookie(name: &str, value: &[u8]) -> Option<Self> {
        let line = [name.as_bytes(), b"=", value].concat();
        Some(Self(COOKIE, HeaderValue::from_bytes(&line).ok()?))
    }

    /// An `Authorization` field.
    pub fn authorization(value: HeaderValue) -> Self {
        Self(http::header::AUTHORIZATION, value)
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proof(…)")
    }
}

/// Does t3 know the session? `None` where it says nothing definite.
pub async fn is_alive(upstream: &Upstream, proof: &Proof) -> Option<bool> {
    let Proof(field, value) = proof.clone();
    let call = Call::get("/api/auth/session").with(field, Some(value));
    let answer = upstream.call(call, ANSWER_TIMEOUT).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let said: Value = serde_json::from_slice(answer.body()).ok()?;
    said["authenticated"].as_bool()
}
