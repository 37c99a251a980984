//! What may cross a hop: fields of one connection off, everything else in its order. Pure.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Fields that belong to one connection whether or not `Connection` names them (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, KEEP_ALIVE, TE, TRANSFER_ENCODING, UPGRADE];

/// How the fields begin that speak to a proxy alone (RFC 9110 §11.7).
const OF_A_PROXY: &str = "proxy-";

/// Fields that route or frame a message: nominating them in `Connection` does not take them off.
const NEVER_NOMINATED: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

/// How the fields begin that say who somebody is or where from, in any spelling.
const NEVER_TRAILING: [&str; 7] = [
    "cookie",
    "authorization",
    "forwarded",
    "x-forwarded-",
    "x-real-ip",
    "x-authentik-",
    "x-dispatcher-",
];

/// Takes the client's hop off a request. A chunked body stays chunked and a client that takes
/// trailers still says so, each as a field of the next hop.
pub fn strip_request(headers: &mut HeaderMap) {
    let takes_trailers = has_token(headers, &TE, "trailers");
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    strip(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if is_chunked {
        // Without it hyper's client sends a GET's chunked body as none at all.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Takes t3's hop off an answer.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers);
}

/// Leaves in a request's trailers only what is no routing, framing or authentication: a recipient
/// might make fields of them (RFC 9110 §6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let is_bad = |name: &HeaderName| {
        let spelt = name.as_str().replace(['_', '.'], "-");
        is_hop_by_hop(name)
            || NEVER_NOMINATED.contains(name)
            || NEVER_TRAILING
                .iter()
                .any(|prefix| spelt.starts_with(prefix))
    };
    retain(trailers, |name| !is_bad(name));
}

/// Has one of the lines of `name` the token, in a list, whatever its case?
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
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

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || name.as_str().starts_with(OF_A_PROXY)
}

fn strip(headers: &mut HeaderMap) {
    let nominated = nominated(headers);
    retain(headers, |name| {
        !is_hop_by_hop(name) && !nominated.contains(name)
    });
}

/// The fields that any of the `Connection` lines names, beyond those that go anyway.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.eq_ignore_ascii_case(b"close"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !NEVER_NOMINATED.contains(name) && !is_hop_by_hop(name))
        .collect()
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
}
