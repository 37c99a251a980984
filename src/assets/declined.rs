//! What t3 answers with something that is left as it is: remembered, so that t3 is asked for it once, as the client asks.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::assets::cacheability::MIN_COMPRESSIBLE_BYTES;
use crate::assets::media_type::{essence, is_compressible, single};
use crate::http_rules::grammar::list_members;
use crate::http_rules::representation::is_transform_forbidden;

/// How many paths are remembered.
const MAX_PATHS: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// The longest path that is remembered.
const MAX_PATH_BYTES: usize = 256;

/// For how long: another t3 may have a file there.
const PERIOD: Duration = Duration::from_secs(300);

/// The paths of declined responses.
#[derive(Debug)]
pub(super) struct Declined(Mutex<LruCache<Box<str>, Instant>>);

impl Default for Declined {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_PATHS)))
    }
}

impl Declined {
    /// Is the response to a request for `path` known to be left as it is?
    pub(super) fn has(&self, path: &str) -> bool {
        let mut paths = self.0.lock();
        paths
            .get(path)
            .is_some_and(|since| since.elapsed() < PERIOD)
    }

    /// Remembers that `response`, to a request for `path`, is left as it is. An error may be over soon,
    /// and is not remembered.
    pub(super) fn note<B>(&self, path: &str, response: &Response<B>) {
        if response.status() == StatusCode::OK && path.len() <= MAX_PATH_BYTES {
            self.0.lock().put(path.into(), Instant::now());
        }
    }
}

/// Would t3 compress the body of `response`, which it was asked to send as it is, for a client that
/// accepts a coding (contract §6, §11)? A length that is not known counts.
pub(super) fn is_coded_by_t3<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let length = single(headers, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let content_type = single(headers, CONTENT_TYPE).map(essence);
    !matches!(response.status().as_u16(), 204 | 206 | 304)
        && !headers.contains_key(CONTENT_ENCODING)
        && !is_transform_forbidden(headers)
        && length.is_none_or(|length| length >= MIN_COMPRESSIBLE_BYTES)
        && content_type.is_some_and(|content_type| is_compressible(&content_type))
}

/// Does a client name a coding other than identity?
pub(super) fn names_coding(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(ACCEPT_ENCODING).iter();
    lines.any(|line| {
        let mut members = list_members(line.as_bytes());
        members.any(|member| !member.is_empty() && !member.eq_ignore_ascii_case(b"identity"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[tokio::test(start_paused = true)]
    async fn a_path_is_remembered_for_a_while_unless_it_was_an_error() {
        let (declined, mut response) = (Declined::default(), Response::new(()));
        let long = "/".repeat(MAX_PATH_BYTES + 1);
        declined.note("/a", &response);
        declined.note(&long, &response);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        declined.note("/b", &response);
        assert!(declined.has("/a") && !declined.has("/b") && !declined.has(&long));
        tokio::time::advance(PERIOD).await;
        assert!(!declined.has("/a"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let declined = Declined::default();
        for number in 0..2000 {
            declined.note(&format!("/{number}"), &Response::new(()));
        }
        assert_eq!(declined.0.lock().len(), MAX_PATHS.get());
    }

    #[test]
    fn what_t3_would_have_compressed_is_known_by_its_head() {
        let json = ("content-type", "application/json; charset=utf-8");
        for (status, lines, expected) in [
            (200, &[json][..], true),
            (404, &[json], true),
            (200, &[json, ("content-length", "1024")], true),
            (200, &[json, ("content-length", "1023")], false),
            (200, &[json, ("content-encoding", "br")], false),
            (200, &[json, ("cache-control", "no-transform")], false),
            (200, &[("content-type", "image/png")], false),
            (200, &[], false),
            (206, &[json], false),
            (304, &[json], false),
        ] {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            *response.headers_mut() = from_lines(lines);
            assert_eq!(is_coded_by_t3(&response), expected, "{status} {lines:?}");
        }
        for (accepts, expected) in [
            ("gzip", true),
            ("identity, br;q=0.5", true),
            ("identity", false),
            ("Identity", false),
            ("", false),
        ] {
            let headers = from_lines(&[("accept-encoding", accepts)]);
            assert_eq!(names_coding(&headers), expected, "{accepts}");
        }
        assert!(!names_coding(&HeaderMap::new()));
    }
}
