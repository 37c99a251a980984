//! One small request of the dispatcher's own to t3's API, and its whole response.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::upstream::Upstream;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::error::Failure;
use crate::upstream::request_body::Outbound;

/// How much of a response is read unless the call says otherwise. t3's responses to these calls are under 2 KiB (contract §2-§4).
const RESPONSE_LIMIT_BYTES: usize = 64 * 1024;

/// A request of the dispatcher's own.
#[derive(Debug, Clone)]
pub struct ApiCall {
    method: Method,
    path: &'static str,
    headers: HeaderMap,
    /// Its content type, and what it is.
    body: Option<(&'static str, Bytes)>,
    response_limit: usize,
}

impl ApiCall {
    /// `GET path`.
    pub fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: HeaderMap::new(),
            body: None,
            response_limit: RESPONSE_LIMIT_BYTES,
        }
    }

    /// `POST path` with a JSON body.
    pub fn post(path: &'static str, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(("application/json", Bytes::from(body.to_string()))),
            ..Self::get(path)
        }
    }

    /// `POST path` with a form of names and values.
    pub fn post_form(path: &'static str, fields: &[(&str, &str)]) -> Self {
        let pairs = fields.iter().map(|(name, value)| {
            let [name, value] = [name, value].map(|text| form_encoded(text));
            format!("{name}={value}")
        });
        let form = pairs.collect::<Vec<_>>().join("&");
        Self {
            method: Method::POST,
            body: Some(("application/x-www-form-urlencoded", Bytes::from(form))),
            ..Self::get(path)
        }
    }

    /// Adds a field, where there is a value for it.
    pub fn with(mut self, name: http::HeaderName, value: Option<HeaderValue>) -> Self {
        if let Some(value) = value {
            self.headers.insert(name, value);
        }
        self
    }

    /// Reads a response of up to `bytes`.
    pub fn reading_up_to(self, bytes: usize) -> Self {
        Self {
            response_limit: bytes,
            ..self
        }
    }

    fn into_request(self, upstream: &Upstream) -> Request<Outbound> {
        let mut headers = self.headers;
        let host = HeaderValue::try_from(upstream.to_string());
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("localhost")));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = match self.body {
            Some((content_type, body)) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                Outbound::Whole(body)
            }
            None => Outbound::Empty,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_static(self.path);
        *request.headers_mut() = headers;
        request
    }
}

/// `text` as a value of a form: everything but unreserved characters percent-encoded (RFC 3986 §2.3).
fn form_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

impl Upstream {
    /// Makes `call` on a new connection, which no earlier request can have spoiled, and reads the whole
    /// response, all within `limit`.
    ///
    /// # Errors
    /// Where there is no connection or no response in time, or the response's body is cut short or too
    /// long.
    pub async fn call(&self, call: ApiCall, limit: Duration) -> Result<Response<Bytes>, Failure> {
        let deadline = Instant::now() + limit;
        let connection = timeout_at(deadline, self.connect()).await;
        let connection = connection.map_err(|_| Failure::ConnectTimeout)??;
        self.call_on(connection, call, deadline - Instant::now())
            .await
    }

    /// Makes `call` on `connection`, within `limit`.
    pub(super) async fn call_on(
        &self,
        connection: Box<UpstreamConnection>,
        call: ApiCall,
        limit: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let exchange = async {
            let response_limit = call.response_limit;
            let request = call.into_request(self);
            let answer = self.exchange(connection, request, limit, None).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, response_limit).collect().await;
            let body = body.map_err(|_| Failure::Unreadable)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        timeout(limit, exchange)
            .await
            .unwrap_or(Err(Failure::ResponseTimeout))
    }
}

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

    /// An `Authorization` field. A copy: a part of the request's buffer would keep all of it as long as
    /// a tunnel.
    pub fn authorization(value: &HeaderValue) -> Option<Self> {
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        Some(Self(http::header::AUTHORIZATION, value))
    }
}

impl std::fmt::Debug for SessionCredential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SessionCredential(…)")
    }
}

/// Is the session alive? `None` where t3 gives no definite answer.
pub async fn is_session_alive(upstream: &Upstream, proof: &SessionCredential) -> Option<bool> {
    let SessionCredential(field, value) = proof.clone();
    let call = ApiCall::get("/api/auth/session").with(field, Some(value));
    let answer = upstream.call(call, ANSWER_TIMEOUT).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let said: Value = serde_json::from_slice(answer.body()).ok()?;
    said["authenticated"].as_bool()
}
