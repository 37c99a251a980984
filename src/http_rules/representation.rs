//! The fields that describe a file or a page: which make it a special one, and which go when its
//! bytes change. Pure.

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, IF_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, PRAGMA, RANGE, SET_COOKIE, TRAILER,
    TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName};

use crate::http_rules::HeaderView;
use crate::http_rules::header_map::has_token;
use crate::http_rules::request_id::X_REQUEST_ID;

/// A request with one of these asks for something else than the whole file.
pub const SPECIAL_REQUEST: [HeaderName; 5] = [
    AUTHORIZATION,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
];

/// A response with one of these is no plain file, or has caching rules that are not understood here.
pub const SPECIAL_FILE: [HeaderName; 8] = [
    CONTENT_ENCODING,
    CONTENT_RANGE,
    EXPIRES,
    PRAGMA,
    SET_COOKIE,
    TRAILER,
    TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
];

/// A response with one of these is no plain page, or must not be changed.
pub const SPECIAL_PAGE: [HeaderName; 3] = [CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE];

/// The fields that are true of the bytes as they were sent, and of no other bytes.
pub const OF_THE_BYTES: [HeaderName; 6] = [
    CONTENT_LENGTH,
    ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// The fields that tell one response from the next with the same file: a stored file has none.
pub const OF_ONE_RESPONSE: [HeaderName; 5] =
    [CONTENT_LENGTH, DATE, ETAG, LAST_MODIFIED, X_REQUEST_ID];

/// The fields besides [`OF_THE_BYTES`] that describe a body: a 304 has none (RFC 9110 §15.4.5).
pub const OF_A_BODY: [HeaderName; 4] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    LAST_MODIFIED,
];

/// Is one of `names` in `fields`?
pub fn has_any(fields: &(impl HeaderView + ?Sized), names: &[HeaderName]) -> bool {
    names.iter().any(|name| fields.lines(name).next().is_some())
}

/// Removes all of `names` from `headers`.
pub fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// Has the sender of `fields` forbidden to change the bytes (RFC 9111 §5.2.1.6, §5.2.2.6)?
pub fn is_transform_forbidden(fields: &(impl HeaderView + ?Sized)) -> bool {
    has_token(fields, &CACHE_CONTROL, "no-transform")
}
