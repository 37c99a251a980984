//! The forms of the page of a person's devices: which ones are its own, and what they ask for.

use http::StatusCode;

use crate::http_rules::form_token::FormToken;
use crate::http_rules::{browser_request, header_map};
use crate::limited;
use crate::responses::ClientResponse;
use crate::responses::devices::{self, refused};
use crate::router::context::RequestContext;
use crate::router::form::{self, Form, NoForm};
use crate::upstream::request_body::Outbound;

/// The maximum length of a form: it has some 150 bytes.
const FORM_BYTES: usize = 4 * 1024;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make a code.
    Pair,
    /// Revoke the session of that id.
    Revoke(String),
}

/// What a form asks for, and the token that it carries: one of this origin's own page, in which this browser's
/// token is.
///
/// # Errors
/// The response to any other.
pub(super) async fn action(
    context: &RequestContext<'_>,
    body: Outbound,
) -> Result<(Action, FormToken), ClientResponse> {
    let (headers, visitor) = (&context.head.headers, &context.visitor);
    let refuse = |status, why| refused(status, why, &context.id);
    if !browser_request::is_own_form(headers, visitor.is_proxied) {
        let (user, request_id) = (visitor.browser.user(), &context.id);
        limited!(INFO, "refused: a form of another origin"; user, %request_id);
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "This did not come from the page of your devices.",
        ));
    }
    let body = match form::read(headers, body, FORM_BYTES).await {
        Ok(body) => body,
        Err(no_form) => return Err(unread(no_form, context)),
    };
    let form: Form<'_> = form_urlencoded::parse(&body).collect();
    let held = FormToken::of(headers, visitor.is_https);
    let sent = form::single(&form, devices::TOKEN).unwrap_or_default();
    let Some(token) = held.filter(|held| held.is(sent)) else {
        let why = "That page is out of date, or this browser keeps no cookies. Open it again.";
        return Err(refuse(StatusCode::FORBIDDEN, why));
    };
    match Action::of(&form) {
        Some(action) => Ok((action, token)),
        None => Err(refuse(
            StatusCode::BAD_REQUEST,
            "The form does not say what to do.",
        )),
    }
}

/// The response where there is no form.
fn unread(no_form: NoForm, context: &RequestContext<'_>) -> ClientResponse {
    let (status, why) = match no_form {
        NoForm::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "A form is needed."),
        NoForm::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "The form is too long."),
        NoForm::CutShort => (StatusCode::BAD_REQUEST, "The form did not come whole."),
    };
    let mut response = refused(status, why, &context.id);
    if no_form == NoForm::TooLong {
        header_map::close(response.headers_mut());
    }
    response
}

impl Action {
    fn of(form: &Form<'_>) -> Option<Self> {
        match form::single(form, devices::ACTION)? {
            devices::PAIR => Some(Self::Pair),
            devices::REVOKE => {
                let session = form::single(form, devices::SESSION)?;
                Some(Self::Revoke(session.to_owned()))
            }
            _ => None,
        }
    }
}
