//! What t3 answers with something that is left as it is: remembered, so that t3 is asked for it once, as the client asks.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::assets::cacheability::MIN_COMPRESSIBLE_BYTES;
use crate::assets::hashes::PathKey;
use crate::assets::media_type::{essence, is_compressible, single};
use crate::assets::store::EncodedStore;
use crate::http_rules::grammar::list_members;
use crate::http_rules::representation::is_transform_forbidden;

/// How many paths of one t3 are remembered.
const MAX_PATHS: usize = 512;

/// About what each takes.
const PATH_BYTES: usize = 128;

/// For how long: another t3 may have a file there.
const PERIOD: Duration = Duration::from_secs(300);

/// The paths of one t3's declined responses. They take a part of the store, and give it back when dropped.
#[derive(Debug)]
pub(super) struct Declined {
    store: Arc<EncodedStore>,
    paths: Mutex<LruCache<PathKey, Instant>>,
}

impl Declined {
    /// No paths yet: nothing is taken of `store`.
    pub(super) fn new(store: Arc<EncodedStore>) -> Self {
        Self {
            store,
            paths: Mutex::new(LruCache::unbounded()),
        }
    }

    /// Is the response to a request for `path` known to be left as it is?
    pub(super) fn has(&self, path: &str) -> bool {
        let mut paths = self.paths.lock();
        paths
            .get(&PathKey::of(path))
            .is_some_and(|since| since.elapsed() < PERIOD)
    }

    /// Remembers that `response`, to a request for `path`, is left as it is. An error may be over soon,
    /// and is not remembered.
    pub(super) fn note<B>(&self, path: &str, response: &Response<B>) {
        if response.status() != StatusCode::OK {
            return;
        }
        let (key, mut paths) = (PathKey::of(path), self.paths.lock());
        let has_room = paths.contains(&key)
            || (paths.len() < MAX_PATHS && self.store.reserve(PATH_BYTES))
            || paths.pop_lru().is_some();
        if has_room {
            paths.put(key, Instant::now());
        }
    }
}

impl Drop for Declined {
    fn drop(&mut self) {
        self.store.release(self.paths.get_mut().len() * PATH_BYTES);
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

    fn declined_in(limit: usize) -> Declined {
        Declined::new(Arc::new(EncodedStore::new(limit, Arc::default())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_path_is_remembered_for_a_while_unless_it_was_an_error() {
        let (declined, mut response) = (declined_in(100_000), Response::new(()));
        declined.note("/a", &response);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        declined.note("/b", &response);
        assert!(declined.has("/a") && !declined.has("/b"));
        tokio::time::advance(PERIOD).await;
        assert!(!declined.has("/a"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        for (limit, expected) in [(1_000_000, MAX_PATHS), (20 * PATH_BYTES, 10), (0, 0)] {
            let declined = declined_in(limit);
            for number in 0..2000 {
                declined.note(&format!("/{number}"), &Response::new(()));
            }
            assert_eq!(declined.paths.lock().len(), expected);
            assert_eq!(declined.has("/1999"), expected > 0);
        }
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
