//! The form in the body of a request, read whole: names and values in `application/x-www-form-urlencoded`.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::http_rules::HeaderView;
use crate::upstream::request_body::Outbound;

/// The content type of a form.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The names and values of a form.
pub(super) type Form<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Why there is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoForm {
    /// The body is of another type.
    MediaType,
    /// It is longer than it may be.
    TooLong,
    /// It did not come whole.
    CutShort,
}

/// The body of a request with `headers`, which is a form of at most `limit` bytes.
///
/// # Errors
/// Why it is none.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Outbound,
    limit: usize,
) -> Result<Bytes, NoForm> {
    let stated = headers.single(&CONTENT_TYPE).unwrap_or_default();
    let essence = stated.split(|byte| *byte == b';').next();
    let is_form = essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(FORM));
    if !is_form || headers.contains_key(CONTENT_ENCODING) {
        return Err(NoForm::MediaType);
    }
    if body.size_hint().lower() > limit as u64 {
        return Err(NoForm::TooLong);
    }
    let read = Limited::new(body, limit).collect().await;
    let read = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => NoForm::TooLong,
        false => NoForm::CutShort,
    });
    Ok(read?.to_bytes())
}

/// The only value of `name` in `form`.
pub(super) fn single<'a>(form: &'a Form<'_>, name: &str) -> Option<&'a str> {
    let mut values = form.iter().filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}
