//! A response of the dispatcher's own as the bytes of a message, where no library writes it.

use std::time::SystemTime;

use http::HeaderValue;
use http::header::{CONTENT_LENGTH, DATE};

use crate::http_rules::header_map;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;

/// A response of the dispatcher's own as a whole message, without the body where it `is_head` that was
/// asked (RFC 9110 §9.3.2); it says so where the connection ends after it. None where its body is not the
/// dispatcher's own bytes.
pub fn message(response: ClientResponse, is_head: bool, is_last: bool) -> Option<Vec<u8>> {
    let (mut head, body) = response.into_parts();
    let ResponseBody::Own(body) = body else {
        return None;
    };
    let (date, length) = (httpdate::fmt_http_date(SystemTime::now()), body.len());
    let headers = &mut head.headers;
    headers.extend(HeaderValue::try_from(date).ok().map(|date| (DATE, date)));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if is_last {
        header_map::close(headers);
    }
    let mut message = Vec::with_capacity(512 + length);
    header_map::write_head(head.status, headers, &mut message);
    message.extend_from_slice(b"\r\n");
    if !is_head {
        message.extend_from_slice(&body);
    }
    Some(message)
}
