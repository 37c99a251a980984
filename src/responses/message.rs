//! A response of the dispatcher's own as the bytes of a message, where no library writes it.

use std::time::SystemTime;

use http::HeaderName;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};

use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;

/// A response of the dispatcher's own as a whole message, without the body where it `is_head` that was
/// asked (RFC 9110 §9.3.2); it says so where the connection ends after it. None where its body is not the
/// dispatcher's own bytes.
pub fn message(response: ClientResponse, is_head: bool, is_last: bool) -> Option<Vec<u8>> {
    let (head, body) = response.into_parts();
    let ResponseBody::Own(body) = body else {
        return None;
    };
    let mut message = Vec::with_capacity(512 + body.len());
    let reason = head.status.canonical_reason().unwrap_or_default();
    message.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).as_bytes());
    for (name, value) in &head.headers {
        write_line(name, value.as_bytes(), &mut message);
    }
    let date = httpdate::fmt_http_date(SystemTime::now());
    write_line(&DATE, date.as_bytes(), &mut message);
    let length = body.len().to_string();
    write_line(&CONTENT_LENGTH, length.as_bytes(), &mut message);
    if is_last {
        write_line(&CONNECTION, b"close", &mut message);
    }
    message.extend_from_slice(b"\r\n");
    if !is_head {
        message.extend_from_slice(&body);
    }
    Some(message)
}

fn write_line(name: &HeaderName, value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.as_str().as_bytes());
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}
