//! Does t3 answer, and how does it call its session cookie?

use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::Value;

use crate::check::advice::{finding, of_upstream};
use crate::check::report::Finding;
use crate::http_rules::cookies;
use crate::upstream::api_call::ApiCall;
use crate::upstream::client::Upstream;

/// How long t3 may take for an answer of some bytes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// t3's version, as it says.
pub(super) async fn version(upstream: &Upstream) -> Result<String, Finding> {
    let value = get(upstream, "/.well-known/t3/environment").await?;
    let version = value["serverVersion"].as_str().unwrap_or("unknown");
    Ok(format!("{upstream} answers, version {version}"))
}

/// The name of its session cookie, and what is to be said of it.
pub(super) async fn cookie_name(upstream: &Upstream) -> Result<(String, String), Finding> {
    let value = get(upstream, "/api/auth/session").await?;
    let advertised = value["auth"]["sessionCookieName"].as_str();
    Ok(
        match advertised.filter(|name| cookies::is_cookie_name(name)) {
            Some(name) => (name.to_owned(), format!("{name}, as t3 advertises it")),
            None => {
                let name = cookies::DEFAULT_COOKIE_NAME;
                (name.to_owned(), format!("{name}, as t3 advertises none"))
            }
        },
    )
}

async fn get(upstream: &Upstream, path: &'static str) -> Result<Value, Finding> {
    let answer = upstream.call(ApiCall::get(path), ANSWER_TIMEOUT).await;
    let answer = answer.map_err(|failure| of_upstream(&failure, &upstream.to_string()))?;
    json(&answer).ok_or_else(|| {
        let status = answer.status();
        finding(
            format!("{path}: t3 answered {status}, without the JSON that is due"),
            match status.is_server_error() {
                true => "look at t3's log",
                false => {
                    "what listens there may not be t3: see T3_UPSTREAM_HOST and T3_UPSTREAM_PORT"
                }
            },
        )
    })
}

fn json(answer: &Response<bytes::Bytes>) -> Option<Value> {
    let value = serde_json::from_slice(answer.body()).ok();
    value.filter(|value: &Value| answer.status() == StatusCode::OK && value.is_object())
}
