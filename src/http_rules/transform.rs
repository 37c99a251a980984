//! Changing what an answer's body is made of: whether one may, and what is not true any more then.

use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// Fields that tell of the very bytes that were sent.
const OF_THE_BYTES: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

/// Has either side said that nobody may (RFC 9111 §5.2.1.6, §5.2.2.6)?
pub fn is_forbidden(headers: &HeaderMap) -> bool {
    headers.get_all(CACHE_CONTROL).iter().any(|line| {
        let mut directives = line.as_bytes().split(|byte| *byte == b',');
        directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
    })
}

/// Takes off what tells of other bytes.
pub fn drop_digests(headers: &mut HeaderMap) {
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
}
