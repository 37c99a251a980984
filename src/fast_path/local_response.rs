//! An answer of the dispatcher's own as the bytes of a message. Pure.

use http::header::{CONNECTION, CONTENT_LENGTH};

use crate::fast_path::head_writer::write_line;
use crate::responses::ClientResponse;
use crate::responses::body::ResponseBody;

/// The whole message, which tells the client if the connection ends behind it.
pub(super) fn message(answer: ClientResponse, is_last: bool) -> Vec<u8> {
    let (head, body) = answer.into_parts();
    let body = match body {
        ResponseBody::Own(body) => body,
        ResponseBody::Relayed(_) | ResponseBody::Made(_) | ResponseBody::Failed(_) => {
            bytes::Bytes::new()
        }
    };
    let mut message = Vec::with_capacity(512 + body.len());
    let reason = head.status.canonical_reason().unwrap_or_default();
    message.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).as_bytes());
    for (name, value) in &head.headers {
        write_line(name.as_str().as_bytes(), value.as_bytes(), &mut message);
    }
    let length = body.len().to_string();
    write_line(
        CONTENT_LENGTH.as_str().as_bytes(),
        length.as_bytes(),
        &mut message,
    );
    if is_last {
        write_line(CONNECTION.as_str().as_bytes(), b"close", &mut message);
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(&body);
    message
}
