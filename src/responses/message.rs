//! A response of the dispatcher's own as the bytes of a message, where no library writes it.

use std::io::Write;
use std::time::SystemTime;

use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use httpdate::HttpDate;

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
    let (headers, length) = (&mut head.headers, body.len());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if is_last {
        header_map::close(headers);
    }
    let mut message = Vec::with_capacity(512 + length);
    header_map::write_head(head.status, headers, &mut message);
    write_date(&mut message);
    message.extend_from_slice(b"\r\n");
    if !is_head {
        message.extend_from_slice(&body);
    }
    Some(message)
}

/// Writes the line of a head that says when its message was made, or came without one (RFC 9110 §6.6.1): now.
pub fn write_date(to: &mut Vec<u8>) {
    let _ = write!(to, "date: {}\r\n", HttpDate::from(SystemTime::now()));
}
