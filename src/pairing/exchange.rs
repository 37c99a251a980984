//! A credential handed to t3, a session's cookie back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::credential::Credential;
use crate::session;
use crate::upstream::{Failure, Inbound, Outbound, Upstream};

/// How long t3 may take for it. It needs some milliseconds (contract §4).
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of the answer's body is read, so that its connection can be used again.
const BODY_LIMIT: usize = 64 * 1024;

/// Why a credential gave no session.
#[derive(Debug)]
pub enum ExchangeError {
    /// t3 gave no answer.
    Upstream(Failure),
    /// t3 did not answer within [`EXCHANGE_TIMEOUT`].
    Timeout,
    /// t3 refused.
    Status(StatusCode),
    /// t3 agreed, but set no cookie that a session could have.
    NoCookie,
}

/// Exchanges `credential` for a session: `POST /api/auth/browser-session` (contract §2). Returns
/// its `Set-Cookie` lines, at least one of which sets a cookie.
pub(super) async fn browser_session(
    upstream: &Upstream,
    credential: &Credential,
    user_agent: Option<&HeaderValue>,
) -> Result<Vec<HeaderValue>, ExchangeError> {
    let request = request(upstream, credential, user_agent);
    let exchange = async {
        let answer = upstream
            .send(request, None)
            .await
            .map_err(ExchangeError::Upstream)?;
        let (head, body) = answer.into_parts();
        finish(body).await;
        Ok(head)
    };
    let head = tokio::time::timeout(EXCHANGE_TIMEOUT, exchange)
        .await
        .unwrap_or(Err(ExchangeError::Timeout))?;
    if head.status != StatusCode::OK {
        return Err(ExchangeError::Status(head.status));
    }
    let lines: Vec<_> = head.headers.get_all(SET_COOKIE).iter().cloned().collect();
    let sets_one = |line: &HeaderValue| session::set_cookie_name(line.as_bytes()).is_some();
    match lines.iter().any(sets_one) {
        true => Ok(lines),
        false => Err(ExchangeError::NoCookie),
    }
}

fn request(
    upstream: &Upstream,
    credential: &Credential,
    user_agent: Option<&HeaderValue>,
) -> Request<Outbound> {
    let body = serde_json::json!({ "credential": credential.secret() }).to_string();
    let mut request = Request::new(Outbound::Whole(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/api/auth/browser-session");
    let headers = request.headers_mut();
    let host = HeaderValue::try_from(upstream.to_string());
    headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(user_agent) = user_agent {
        headers.insert(USER_AGENT, user_agent.clone());
    }
    request
}

/// Reads the body to its end, so that the connection goes back to the pool.
async fn finish(body: Inbound) {
    let _ = Limited::new(body, BODY_LIMIT).collect().await;
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(failure) => failure.fmt(formatter),
            Self::Timeout => formatter.write_str("t3 did not answer in time"),
            Self::Status(status) => write!(formatter, "t3 answered {status}"),
            Self::NoCookie => formatter.write_str("t3 answered 200 without a session cookie"),
        }
    }
}

impl std::error::Error for ExchangeError {}
