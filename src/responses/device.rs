//! The device door's own responses: for programs, in JSON, and one page for the browser that a camera opens.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::http_rules::request_id::RequestId;
use crate::responses::{ClientResponse, ErrorFormat, error, page, with_body};

/// What the page of a link may load: nothing but its own style.
const PAIR_PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The text of the page behind a pairing link.
const PAIR_PAGE: &str = "<p>This link pairs the T3 Code app with a server. Open the app, choose to add a server, and scan \
    the code there, or paste the whole link.</p>\n\
    <p>It is valid for five minutes, and for one device.</p>";

/// Why an app gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is nothing that an app may ask for, or nobody's t3.
    NotFound,
    /// It needs a token.
    NoToken,
    /// Its token is none.
    Token,
    /// Its code is none.
    Code,
    /// It has shown too many that are none.
    TooMany,
    /// Its form cannot be read, or lacks the code.
    Form,
    /// It is no form.
    MediaType,
    /// t3 cannot be asked.
    NoAnswer,
}

/// How long a client that shows too much is to wait, in seconds.
const RETRY_SECONDS: u32 = 10;

/// The refusal of the request `id`. Where t3 has an error of its own for it, it is of that form (contract §2, §3), which
/// apps know.
pub fn refused(refused: Refused, id: &RequestId) -> ClientResponse {
    let own = |error: &str, message: &str| json!({ "error": error, "message": message, "request_id": id.to_string() });
    let of_t3 = |reason: &str| {
        json!({
            "_tag": "EnvironmentAuthInvalidError",
            "code": "auth_invalid",
            "reason": reason,
            "traceId": id.to_string(),
        })
    };
    let (status, body) = match refused {
        Refused::NotFound => (
            StatusCode::NOT_FOUND,
            own("not_found", "nothing is here for an app"),
        ),
        Refused::NoToken => (StatusCode::UNAUTHORIZED, of_t3("missing_credential")),
        Refused::Token | Refused::Code => (StatusCode::UNAUTHORIZED, of_t3("invalid_credential")),
        Refused::TooMany => {
            let message = "too many unknown codes or tokens, try again later";
            (
                StatusCode::TOO_MANY_REQUESTS,
                own("too_many_requests", message),
            )
        }
        Refused::Form => (
            StatusCode::BAD_REQUEST,
            own("invalid_request", "the form is not usable"),
        ),
        Refused::MediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            own("unsupported_media_type", "a form is needed"),
        ),
        Refused::NoAnswer => (
            StatusCode::SERVICE_UNAVAILABLE,
            own("unavailable", "t3 gives no answer, try again"),
        ),
    };
    let mut response = error(status, String::new(), body, ErrorFormat::Json, id);
    if refused == Refused::TooMany {
        let seconds = HeaderValue::from(RETRY_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

/// The page for a browser that opens a pairing link: the code is in its fragment, which stays there.
pub fn pair_page() -> ClientResponse {
    let text = page("Open this in the T3 Code app", PAIR_PAGE);
    let mut response = with_body(StatusCode::OK, "text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, PAIR_PAGE_POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
