//! Responses with files as t3 sends them, and the decoder of their content codings.

use std::io::Read;

use crate::common::http::Response;

/// t3's response with a file (contract §6).
pub(crate) fn file(content_type: &str, body: &[u8]) -> Vec<u8> {
    file_with(content_type, "", body)
}

/// The same, with further lines.
pub(crate) fn file_with(content_type: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n{lines}\
         access-control-allow-origin: *\r\nDate: Sun, 22 Nov 2026 14:00:00 GMT\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A script of `length` bytes, about as compressible as a bundle.
pub(crate) fn script(length: usize) -> Vec<u8> {
    let mut seed = 7_u32;
    let mut text = Vec::with_capacity(length + 64);
    while text.len() < length {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (name, value) = (seed >> 22, seed >> 8);
        text.extend_from_slice(format!("function f{name}(a){{return a+{value}}}\n").as_bytes());
    }
    text.truncate(length);
    text
}

/// The body of `response` without its content coding.
pub(crate) fn decoded(response: &Response) -> Vec<u8> {
    let mut plain = Vec::new();
    let body = &response.body[..];
    let read = match response.header("content-encoding").as_str() {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(body)
            .and_then(|mut decoder| decoder.read_to_end(&mut plain)),
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        "" => return response.body.clone(),
        other => panic!("coded as {other}"),
    };
    read.expect("a whole body");
    plain
}
