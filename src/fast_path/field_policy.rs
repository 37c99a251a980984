//! What becomes of a line of a plain request's head, by its name. Pure.
//!
//! The rules are those of [`crate::http_rules::header_policy`] and [`crate::access`], as far as they are certain.

use crate::access::Door;
use crate::fast_path::swar::{self, are, each};

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

pub(super) fn fate(name: &[u8], door: &Door) -> Fate {
    let Some((folded, is_twin)) = folded(name) else {
        // Nothing that matters is so long, but what begins as it does.
        return fate_of_long(name, door);
    };
    match &folded[..name.len()] {
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
        // Another spelling of a field that matters, maybe (CVE-2025-64484).
        _ if is_twin => Fate::Unplain,
        name => fate_by_beginning(name, door),
    }
}

/// `name` in lower case, and whether `_` or `.` is in it: eight bytes at a time, as this is asked
/// of every line. Folding sets one bit, which of the characters that a name may have (RFC 9110
/// §5.6.2) makes no other pair alike but `^` and `~`.
fn folded(name: &[u8]) -> Option<([u8; LONGEST_NAME], bool)> {
    let mut folded = [0; LONGEST_NAME];
    folded.get_mut(..name.len())?.copy_from_slice(name);
    let mut twins = 0;
    for eight in folded.as_chunks_mut::<8>().0 {
        let bytes = swar::eight(*eight);
        twins |= are(bytes, b'_') | are(bytes, b'.');
        *eight = (bytes | each(b' ')).to_le_bytes();
    }
    Some((folded, twins != 0))
}

fn fate_by_beginning(lower: &[u8], door: &Door) -> Fate {
    let identity = door.identity_header().map(|name| name.as_str().as_bytes());
    if lower.starts_with(b"proxy-") {
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
fn fate_of_long(name: &[u8], door: &Door) -> Fate {
    match name.iter().any(|byte| b"_.".contains(byte)) {
        true => Fate::Unplain,
        false => fate_by_beginning(&name.to_ascii_lowercase(), door),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_folded_and_looked_through() {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        for byte in (0..=u8::MAX).filter(token) {
            for at in 0..LONGEST_NAME {
                let mut name = [b'X'; LONGEST_NAME];
                name[at] = byte;
                let (folded, is_twin) = folded(&name[..=at]).expect("a short name");
                let lower = name[..=at].to_ascii_lowercase();
                assert_eq!(is_twin, b"_.".contains(&byte), "{byte} at {at}");
                let is_same = folded[..=at] == lower;
                assert_eq!(is_same, !b"^_".contains(&byte), "{byte} at {at}");
            }
        }
        assert_eq!(folded(&[b'x'; LONGEST_NAME + 1]), None);
    }
}
