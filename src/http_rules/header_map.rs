//! The header policy applied to a `HeaderMap`: hyper's way. Pure.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};

use crate::http_rules::HeaderView;
use crate::http_rules::grammar::{decimal, list_members, write_line};
use crate::http_rules::header_policy::{Disposition, Field, HeaderPolicy};
use crate::http_rules::name_pattern::canonical;

/// Has the connection end after the message (RFC 9112 §9.6).
pub fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Writes the head of a response to the end of `to`, without the empty line that ends it.
pub fn write_head(status: StatusCode, headers: &HeaderMap, to: &mut Vec<u8>) {
    write_status(status, to);
    for (name, value) in headers {
        write_line(name.as_str().as_bytes(), value.as_bytes(), to);
    }
}

/// Writes the first line of a response to the end of `to`.
pub fn write_status(status: StatusCode, to: &mut Vec<u8>) {
    let reason = status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        to.extend_from_slice(part.as_bytes());
    }
}

/// Removes the client's hop from a request. A chunked body stays chunked, and a client that accepts
/// trailers still says so, each as a field of the next hop.
pub fn strip_request(headers: &mut HeaderMap) {
    let accepts_trailers = accepts_trailers(headers);
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    strip_hop(headers, |field| {
        let of_this_hop = matches!(field, Field::Te | Field::TransferEncoding | Field::Upgrade);
        of_this_hop || matches!(field, Field::Connection | Field::HopByHop)
    });
    if accepts_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if is_chunked {
        // Without it hyper's client sends a GET's chunked body as none at all.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Removes t3's hop from a response to a client that accepts trailers, or not: to one that does not,
/// none are sent, and none are announced.
pub fn strip_response(headers: &mut HeaderMap, accepts_trailers: bool) {
    strip_hop(headers, |field| match field {
        Field::Trailer => !accepts_trailers,
        Field::TransferEncoding => true,
        field => field.in_response() == Disposition::Drop,
    });
    // Two equal ones are one (RFC 9110 §8.6).
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = headers.remove(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// Leaves in a request's trailers only what may be one, and what `policy` does not withhold.
pub fn strip_trailers(trailers: &mut HeaderMap, policy: &HeaderPolicy) {
    retain(trailers, |name| may_trail(name, policy));
}

/// Does the sender of a request accept trailers (RFC 9110 §10.1.4)?
pub fn accepts_trailers(headers: &HeaderMap) -> bool {
    has_token(headers, &TE, "trailers")
}

/// Has one of the lines of `name` the token, in a list, whatever its case?
pub fn has_token(fields: &(impl HeaderView + ?Sized), name: &HeaderName, token: &str) -> bool {
    fields
        .lines(name)
        .flat_map(list_members)
        .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// Is there no `Transfer-Encoding`, or exactly one, and that one `chunked`? Anything else is read
/// differently by somebody (RFC 9112 §6.1, CVE-2021-21299).
pub fn is_clearly_framed(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Does every reader find the same end of the response with `headers` (RFC 9112 §6.3)? Its body comes in
/// chunks or has one length, and HTTP/1.0 knows no chunks (RFC 9112 §6.1).
pub fn has_clear_end(version: Version, headers: &HeaderMap) -> bool {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let mut lengths = lines.map(|line| decimal(line.as_bytes()));
    match lengths.next() {
        Some(first) => !is_chunked && first.is_some() && lengths.all(|length| length == first),
        None => is_clearly_framed(headers) && (!is_chunked || version == Version::HTTP_11),
    }
}

/// Keeps the fields whose name passes `stays`, in their order.
pub fn retain(headers: &mut HeaderMap, stays: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&stays) {
        return;
    }
    // `HeaderMap::remove` moves the last field into the gap; a new map keeps the order.
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        if stays(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    *headers = kept;
}

/// Removes the fields that `is_of_hop` says belong to one hop, and those that any of the `Connection`
/// lines names.
fn strip_hop(headers: &mut HeaderMap, is_of_hop: impl Fn(Field) -> bool) {
    let nominated = nominated(headers);
    retain(headers, |name| {
        let field = Field::of(name.as_str().as_bytes());
        !is_of_hop(field) && (!field.may_be_nominated() || !nominated.contains(name))
    });
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .flat_map(|line| list_members(line.as_bytes()))
        .filter(|token| !token.eq_ignore_ascii_case(b"close"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect()
}

/// May a request's trailer called `name` go on (RFC 9110 §6.5.1)? Nothing that routes, frames or
/// authenticates may: a recipient might merge it into the header.
fn may_trail(name: &HeaderName, policy: &HeaderPolicy) -> bool {
    let name = canonical(name.as_str());
    let says_who = ["cookie", "authorization"];
    matches!(
        policy.field(name.as_bytes()),
        Field::Other | Field::Trailer | Field::Expect
    ) && !says_who.iter().any(|prefix| name.starts_with(prefix))
}

/// The fields of a test.
#[cfg(test)]
pub(crate) fn from_lines(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a test's name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a test's value");
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("a test's value")))
            .collect()
    }

    #[test]
    fn trailers_are_announced_only_to_a_client_that_accepts_them() {
        let announced = [("trailer", "x-sum"), ("a", "1")];
        let mut headers = from_lines(&announced);
        strip_response(&mut headers, true);
        assert_eq!(lines(&headers), announced);
        strip_response(&mut headers, false);
        assert_eq!(lines(&headers), [("a", "1")]);
    }

    #[test]
    fn a_hop_s_fields_go_and_the_order_of_the_rest_stays() {
        let mut headers = from_lines(&[
            ("connection", "keep-alive, x-one"),
            ("a", "1"),
            ("keep-alive", "timeout=5"),
            ("x-one", "gone"),
            ("b", "2"),
            ("connection", "X-Two"),
            ("b", "3"),
            ("x-two", "gone"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("c", "4"),
        ]);
        strip_request(&mut headers);
        assert_eq!(
            lines(&headers),
            [("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")]
        );
    }

    #[test]
    fn framing_survives_the_hop() {
        let mut headers = from_lines(&[
            ("transfer-encoding", "chunked"),
            ("te", "trailers, deflate;q=0.5"),
            ("trailer", "x-sum"),
        ]);
        strip_request(&mut headers);
        assert_eq!(
            lines(&headers),
            [
                ("trailer", "x-sum"),
                ("te", "trailers"),
                ("connection", "te"),
                ("transfer-encoding", "chunked")
            ]
        );
    }

    #[test]
    fn host_and_length_cannot_be_nominated_away() {
        let mut headers = from_lines(&[
            ("host", "h"),
            ("connection", "Host, Content-Length, close, , b@d, a"),
            ("content-length", "3"),
            ("a", "1"),
        ]);
        strip_request(&mut headers);
        assert_eq!(lines(&headers), [("host", "h"), ("content-length", "3")]);
    }

    #[test]
    fn what_tells_of_proxies_cannot_be_nominated_away() {
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-real-ip",
            "forwarded",
            "via",
        ] {
            let mut headers = from_lines(&[(name, "1"), ("connection", name)]);
            strip_request(&mut headers);
            assert_eq!(lines(&headers), [(name, "1")]);
        }
    }
}
