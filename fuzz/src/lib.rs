//! Bytes as the fields of a message, and texts as bytes.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Each line of `data` that is a field, as `name: value`; others are left out, as hyper refuses
/// a message that has them.
pub fn fields(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(200) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// The fields in their order, repeated ones together, to compare.
pub fn listed(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

/// The bytes that `text` is percent-encoded from.
pub fn decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(byte, 16).expect("two digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
