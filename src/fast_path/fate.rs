//! What becomes of a line of a plain request's head, by its name. Pure.
//!
//! The rules are those of [`crate::headers`] and [`crate::door`], as far as they are certain.

use crate::door::Door;

/// The longest name that is told apart by more than its beginning.
const LONGEST_NAME: usize = 32;

/// What becomes of a line of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Dropped,
    Host,
    Connection,
    Cookie,
    ForwardedFor,
    /// What a proxy says of the client: kept from a believed one.
    OfProxy,
    Accept,
    FetchDest,
    RequestId,
    /// With it, no request is plain.
    Unplain,
}

pub(super) fn fate(name: &str, door: &Door) -> Fate {
    let mut lower = [0; LONGEST_NAME];
    let lower = match lower.get_mut(..name.len()) {
        Some(lower) => {
            lower.copy_from_slice(name.as_bytes());
            lower.make_ascii_lowercase();
            &*lower
        }
        None => return fate_of_long(name, door),
    };
    match lower {
        b"host" => Fate::Host,
        b"connection" => Fate::Connection,
        b"cookie" => Fate::Cookie,
        b"accept" => Fate::Accept,
        b"sec-fetch-dest" => Fate::FetchDest,
        b"keep-alive" | b"x-dispatcher-secret" => Fate::Dropped,
        b"content-length" | b"transfer-encoding" | b"te" | b"trailer" | b"upgrade" | b"expect" => {
            Fate::Unplain
        }
        b"x-request-id" => Fate::RequestId,
        b"x-forwarded-for" => Fate::ForwardedFor,
        b"forwarded" | b"x-real-ip" => Fate::OfProxy,
        _ => fate_by_beginning(lower, door),
    }
}

fn fate_by_beginning(lower: &[u8], door: &Door) -> Fate {
    let identity = door.identity_header().map(|name| name.as_str().as_bytes());
    if lower.starts_with(b"proxy-") || lower.iter().any(|byte| b"_.".contains(byte)) {
        // Another spelling of a field that matters, maybe (CVE-2025-64484).
        Fate::Unplain
    } else if lower.starts_with(b"x-authentik-") || identity == Some(lower) {
        Fate::Dropped
    } else if lower.starts_with(b"x-forwarded-") {
        Fate::OfProxy
    } else {
        Fate::Kept
    }
}

#[cold]
fn fate_of_long(name: &str, door: &Door) -> Fate {
    fate_by_beginning(name.to_ascii_lowercase().as_bytes(), door)
}
