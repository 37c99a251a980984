//! The exchange of a credential for a session at t3, of which the response sets the cookie.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;

use crate::access::identity::Browser;
use crate::http_rules::cookies;
use crate::metrics::pairing::ExchangeEndpoint;
use crate::pairing::grants::Grants;
use crate::pairing::secret::Secret;
use crate::pairing::token_claims;
use crate::upstream::Upstream;
use crate::upstream::api_call::ApiCall;
use crate::upstream::error::Failure;

/// How long t3 may take for a response. It needs some milliseconds (contract §4).
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Exchanges credentials, and remembers the endpoint of this t3: it has changed once (contract §8).
#[derive(Debug, Default)]
pub(super) struct CredentialExchange {
    is_old: AtomicBool,
}

/// The value of a session cookie whose session a new one replaces in its browser.
///
/// Since protocol 2 t3 revokes the session whose valid cookie an exchange carries, and one before it
/// ignores that cookie (contract §2). So an exchange carries the cookie of a session that is paired over,
/// and no other.
#[derive(Clone)]
pub(super) struct ReplacedSession(Box<[u8]>);

/// A session, as t3's response to the exchange sets it.
#[derive(Clone)]
pub struct Session {
    /// All `Set-Cookie` lines of the response, unchanged.
    pub set_cookies: Vec<HeaderValue>,
    /// The name of the session's cookie among them.
    pub cookie_name: String,
    /// Its value.
    pub cookie_value: String,
    /// What it may do, if t3 says so.
    pub grants: Option<Grants>,
}

impl fmt::Debug for Session {
    /// Without what is secret of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Session");
        shown.field("cookie_name", &self.cookie_name);
        shown.field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// Why a credential gave no session.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// t3 did not respond.
    #[error("exchange: {0}")]
    Upstream(#[from] Failure),
    /// t3 refused.
    #[error("exchange: t3 answered {0}")]
    Status(StatusCode),
    /// t3 accepted, but set no cookie.
    #[error("exchange: t3 accepted, without a session cookie")]
    NoCookie,
}

impl CredentialExchange {
    /// Exchanges `credential` for a session of `browser` (contract §2, §8), in the place of `replaced`.
    /// `expected` is the name that its cookie should have. Also returns the endpoint that t3 has.
    pub(super) async fn exchange(
        &self,
        upstream: &Upstream,
        credential: &Secret,
        browser: &Browser,
        expected: &str,
        replaced: Option<&ReplacedSession>,
    ) -> Result<(Session, ExchangeEndpoint), ExchangeError> {
        let cookie = replaced.and_then(|session| session.cookie(expected));
        let mut endpoint = self.remembered();
        let mut response = post(upstream, endpoint, credential, browser, cookie.clone()).await?;
        // An endpoint that does not exist has spent nothing.
        if response.status() == StatusCode::NOT_FOUND {
            endpoint = endpoint.other();
            response = post(upstream, endpoint, credential, browser, cookie).await?;
        }
        if response.status() != StatusCode::OK {
            return Err(ExchangeError::Status(response.status()));
        }
        let is_old = endpoint == ExchangeEndpoint::Bootstrap;
        self.is_old.store(is_old, Ordering::Relaxed);
        let session = session_in(response.headers(), expected);
        let mut session = session.ok_or(ExchangeError::NoCookie)?;
        session.grants = grants_in(response.body());
        Ok((session, endpoint))
    }

    fn remembered(&self) -> ExchangeEndpoint {
        match self.is_old.load(Ordering::Relaxed) {
            true => ExchangeEndpoint::Bootstrap,
            false => ExchangeEndpoint::BrowserSession,
        }
    }
}

impl ReplacedSession {
    /// The session whose cookie has `value`; none where that is no plain token of t3's.
    pub(super) fn new(value: &[u8]) -> Option<Self> {
        let token = str::from_utf8(value).ok()?;
        token_claims::session_id(token).map(|_| Self(value.into()))
    }

    /// Its cookie's value.
    pub(super) fn value(&self) -> &[u8] {
        &self.0
    }

    fn cookie(&self, name: &str) -> Option<HeaderValue> {
        let line = [name.as_bytes(), b"=", &self.0].concat();
        let mut line = HeaderValue::from_bytes(&line).ok()?;
        line.set_sensitive(true);
        Some(line)
    }
}

impl fmt::Debug for ReplacedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReplacedSession(…)")
    }
}

impl ExchangeEndpoint {
    /// Its path at t3.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::BrowserSession => "/api/auth/browser-session",
            Self::Bootstrap => "/api/auth/bootstrap",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::BrowserSession => Self::Bootstrap,
            Self::Bootstrap => Self::BrowserSession,
        }
    }
}

/// Posts the credential with the browser's `User-Agent` and address, which t3's client list shows
/// (contract §2).
async fn post(
    upstream: &Upstream,
    endpoint: ExchangeEndpoint,
    credential: &Secret,
    browser: &Browser,
    cookie: Option<HeaderValue>,
) -> Result<Response<Bytes>, ExchangeError> {
    let address = HeaderValue::try_from(browser.address.to_string());
    let call = ApiCall::post(
        endpoint.path(),
        json!({ "credential": credential.reveal() }),
    )
    .with(USER_AGENT, browser.user_agent.clone())
    .with(X_FORWARDED_FOR, address.ok())
    .with(COOKIE, cookie);
    Ok(upstream.call(call, EXCHANGE_TIMEOUT).await?)
}

/// The session among the cookies that are set: the one of the expected name, else the first one
/// whose name begins as t3's session cookies do, else the first.
fn session_in(headers: &HeaderMap, expected: &str) -> Option<Session> {
    let set_cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    let mut cookies: Vec<_> = set_cookies
        .iter()
        .filter_map(|line| cookies::cookie_set_by(line.as_bytes()))
        .collect();
    let found = cookies
        .iter()
        .position(|(name, _)| name == expected)
        .or_else(|| {
            let prefix = cookies::DEFAULT_COOKIE_NAME;
            cookies
                .iter()
                .position(|(name, _)| name.starts_with(prefix))
        })
        .or((!cookies.is_empty()).then_some(0))?;
    let (cookie_name, cookie_value) = cookies.swap_remove(found);
    Some(Session {
        set_cookies,
        cookie_name,
        cookie_value,
        grants: None,
    })
}

/// What the session may do that t3's response tells of: `permissions`, where it has them (contract §2).
fn grants_in(body: &[u8]) -> Option<Grants> {
    let told: Value = serde_json::from_slice(body).ok()?;
    Grants::read(&told["permissions"]).or_else(|| Grants::read(&told["scopes"]))
}
