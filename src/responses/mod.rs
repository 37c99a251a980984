//! The responses that the dispatcher writes itself.

pub mod body;
pub mod device;
pub mod devices;
pub mod message;
pub mod pair_link;
pub mod tab;
pub mod unavailable;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode, Uri};

use crate::http_rules::request_id::{RequestId, X_REQUEST_ID};
use crate::responses::body::ResponseBody;
use crate::upstream::health_state::HealthState;

/// A page of a few words for a person.
const PAGE: &str = include_str!("page.html");

/// A response to a client.
pub type ClientResponse = Response<ResponseBody>;

/// A change of t3's page on its way to a client; any other response is returned unchanged.
pub type PageTransform = fn(ClientResponse) -> ClientResponse;

/// How an error is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorFormat {
    /// An HTML page, for a person.
    Page,
    /// JSON, for a script.
    Json,
}

/// 200 `ok`: the process serves.
pub fn healthy() -> ClientResponse {
    with_body(StatusCode::OK, "text/plain; charset=utf-8", "ok")
}

/// 302 to `target`, the page that was requested, with the `Set-Cookie` lines of a new session.
pub fn paired(target: &Uri, set_cookies: Vec<HeaderValue>) -> ClientResponse {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location(target));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for line in set_cookies {
        headers.append(SET_COOKIE, line);
    }
    response
}

/// 101, to which the caller adds the protocol.
pub fn switching() -> ClientResponse {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
}

/// 503 for /readyz, whatever t3's state is: the process will end.
pub fn leaving() -> ClientResponse {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    with_body(status, "text/plain; charset=utf-8", "draining")
}

/// The state of t3 for /readyz: 200 if it is up.
pub fn ready(state: HealthState) -> ClientResponse {
    let status = match state {
        HealthState::Up | HealthState::Busy | HealthState::Doubtful => StatusCode::OK,
        HealthState::Unknown
        | HealthState::Down
        | HealthState::Asleep
        | HealthState::Itself
        | HealthState::Starting => StatusCode::SERVICE_UNAVAILABLE,
    };
    with_body(status, "text/plain; charset=utf-8", state.to_string())
}

/// 403 for `user`, who is signed in but not on the allow-list. The address `sign_out` ends that sign-in.
pub fn denied(
    user: &str,
    sign_out: Option<&str>,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let advice = match sign_out {
        Some(url) => format!(
            "<a href=\"{}\">Sign out</a> to sign in with another account",
            escaped(url)
        ),
        None => "Sign in with another account".to_owned(),
    };
    let user_text = escaped(user);
    let text = format!(
        "<p>You are signed in as <strong>{user_text}</strong>, who may not use this T3 Code.</p>\n\
         <p>{advice}, or ask the administrator.</p>"
    );
    let page = error_page("Not for this account", &text, id);
    let json = serde_json::json!({
        "error": "forbidden",
        "signed_in_as": user,
        "sign_out_url": sign_out,
        "request_id": id.to_string(),
    });
    error(StatusCode::FORBIDDEN, page, json, error_format, id)
}

/// 403 for a request that is nobody's: it lacks `field`, which names the person, or has it repeated or
/// from a proxy that is not trusted.
pub fn nobody(field: &str, error_format: ErrorFormat, id: &RequestId) -> ClientResponse {
    let text = format!(
        "<p>This T3 Code is for people who have signed in, and the request does not say who you are:\n\
         <code>{field}</code> is missing, repeated, or not from a trusted proxy.</p>\n\
         <p>Open the address that leads through single sign-on, or ask the administrator.</p>"
    );
    let page = error_page("Nobody is signed in", &text, id);
    let json = serde_json::json!({
        "error": "not_signed_in",
        "missing_field": field,
        "request_id": id.to_string(),
    });
    error(StatusCode::FORBIDDEN, page, json, error_format, id)
}

/// 403 for `user`, who is let in and has no t3 here.
pub fn no_instance(user: &str, error_format: ErrorFormat, id: &RequestId) -> ClientResponse {
    let user_text = escaped(user);
    let text = format!(
        "<p>You are signed in as <strong>{user_text}</strong>, for whom no T3 Code is set up here.</p>\n\
         <p>Ask the administrator to set one up for exactly this name.</p>"
    );
    let page = error_page("No T3 Code for this account", &text, id);
    let json = serde_json::json!({
        "error": "no_instance",
        "signed_in_as": user,
        "request_id": id.to_string(),
    });
    error(StatusCode::FORBIDDEN, page, json, error_format, id)
}

/// 403 for `user`, for whom no session with `rights` can be made, for the reason `why`; none is made with others.
pub fn no_rights(
    user: &str,
    rights: &str,
    why: &str,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let [user_text, why_text] = [user, why].map(escaped);
    let text = format!(
        "<p>You are signed in as <strong>{user_text}</strong>, with the rights of: {rights}. \
         A session with these cannot be made now:\n<code>{why_text}</code></p>\n\
         <p>Load the page again in a minute, or ask the administrator.</p>"
    );
    let page = error_page("No session for this account", &text, id);
    let json = serde_json::json!({
        "error": "no_session_with_these_rights",
        "signed_in_as": user,
        "rights": rights,
        "message": why,
        "request_id": id.to_string(),
    });
    error(StatusCode::FORBIDDEN, page, json, error_format, id)
}

/// 401 for a request whose token is the value of t3's session cookie.
pub fn session_as_token(id: &RequestId) -> ClientResponse {
    let json = serde_json::json!({
        "error": "unauthorized",
        "message": "a browser's session is accepted as its cookie only",
        "request_id": id.to_string(),
    });
    let status = StatusCode::UNAUTHORIZED;
    error(status, String::new(), json, ErrorFormat::Json, id)
}

/// `status` for a request that is refused, with the reason `why` as text.
pub fn refused(status: StatusCode, why: &'static str, id: &RequestId) -> ClientResponse {
    let mut response = with_body(status, "text/plain; charset=utf-8", why);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}

/// An error, which must not be cached and has the request's identifier, to find it in the logs.
fn error(
    status: StatusCode,
    page: String,
    json: serde_json::Value,
    error_format: ErrorFormat,
    id: &RequestId,
) -> ClientResponse {
    let mut response = match error_format {
        ErrorFormat::Page => with_body(status, "text/html; charset=utf-8", page),
        ErrorFormat::Json => with_body(status, "application/json", json.to_string()),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, id.value());
    response
}

/// The page of an error, with the request's identifier below `text`.
fn error_page(title: &str, text: &str, id: &RequestId) -> String {
    page(
        title,
        &format!("{text}\n<p><small>Request <code>{id}</code></small></p>"),
    )
}

/// A page with a heading, and `body` in HTML below it.
fn page(title: &str, body: &str) -> String {
    PAGE.replace("{title}", title).replace("{body}", body)
}

fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> ClientResponse {
    let mut response = Response::new(ResponseBody::Own(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Path and query of `target` as a reference that cannot leave this origin: a browser reads a
/// leading `//` or `/\` as the start of a host name (CWE-601).
fn location(target: &Uri) -> HeaderValue {
    let path_and_query = target
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let path = path_and_query.trim_start_matches(['/', '\\']);
    HeaderValue::try_from(format!("/{path}")).unwrap_or(HeaderValue::from_static("/"))
}

/// Text, escaped for HTML.
fn escaped(text: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        plain => plain.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_never_leaves_this_origin() {
        for (target, expected) in [
            ("/", "/"),
            ("/t/1?a=b%20c", "/t/1?a=b%20c"),
            ("/?", "/?"),
            ("/?next=//evil", "/?next=//evil"),
            ("//evil/", "/evil/"),
            ("///evil", "/evil"),
            ("/\\evil", "/evil"),
            ("/\\/evil", "/evil"),
            ("/%09/evil", "/%09/evil"),
            ("/%2f/evil", "/%2f/evil"),
            ("http://evil/", "/"),
            ("http://evil//worse", "/worse"),
            ("*", "/*"),
        ] {
            let Ok(uri) = target.parse::<Uri>() else {
                continue;
            };
            assert_eq!(location(&uri), expected, "{target}");
        }
    }
}
