//! One question to t3: how is it doing, and how does it call its session cookie?

use std::time::Duration;

use serde_json::Value;

use crate::http_rules::set_cookie;
use crate::upstream::api_call::Call;
use crate::upstream::client::Upstream;
use crate::upstream::error::Failure;

/// How long a probe waits for its answer. In its first second t3 accepts connections that it never
/// answers (contract §7): only a new one can tell.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How t3 is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody listens.
    Down,
    /// It accepts connections but does not answer yet.
    Starting,
    /// It answers.
    Up,
    /// It answered, but something since then says that it may be gone. Resolved within
    /// milliseconds by a probe.
    Doubtful,
}

/// Asks once, on a new connection: the cookie's name where t3 answers and advertises one.
pub(super) async fn probe(upstream: &Upstream) -> Result<Option<String>, State> {
    let environment = Call::get("/.well-known/t3/environment");
    if let Err(failure) = upstream.call(environment, PROBE_TIMEOUT).await {
        return Err(match failure {
            Failure::Unreachable(_) | Failure::ConnectTimeout => State::Down,
            _ => State::Starting,
        });
    }
    let session = upstream.call(Call::get("/api/auth/session"), PROBE_TIMEOUT);
    let advertised = session.await.ok().and_then(|answer| {
        let value: Value = serde_json::from_slice(answer.body()).ok()?;
        let name = value["auth"]["sessionCookieName"].as_str()?;
        set_cookie::is_cookie_name(name).then(|| name.to_owned())
    });
    Ok(advertised)
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Up | Self::Doubtful => "up",
        })
    }
}
