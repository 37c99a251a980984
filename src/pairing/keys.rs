//! What pairings are remembered by: hashes, so that nothing of a client's is kept at its length. Pure.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::access::identity::Browser;

/// A browser: the same person with the same rights, the same program, the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BrowserKey([u8; 32]);

/// A person, whatever the browser calls itself and wherever it is. Without an identity only this
/// machine is paired, and all of it is one: a client on loopback chooses its own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PersonKey([u8; 32]);

/// A page, or the value of a session's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ValueKey([u8; 32]);

impl BrowserKey {
    pub(super) fn of(browser: &Browser) -> Self {
        let address = match browser.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let agent = browser.user_agent.as_ref();
        Self(hash(&[
            identity(browser),
            agent.map(http::HeaderValue::as_bytes),
            Some(&address),
            Some(browser.rights.text().as_bytes()),
        ]))
    }
}

impl PersonKey {
    pub(super) fn of(browser: &Browser) -> Self {
        Self(hash(&[identity(browser)]))
    }
}

impl ValueKey {
    pub(super) fn of(value: &[u8]) -> Self {
        Self(hash(&[Some(value)]))
    }
}

fn identity(browser: &Browser) -> Option<&[u8]> {
    browser.identity.as_deref().map(str::as_bytes)
}

/// Each part with its length before it, so that no two lists of parts are alike.
fn hash(parts: &[Option<&[u8]>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::rights::Rights;

    fn browser(identity: Option<&str>, agent: Option<&'static str>, address: [u8; 4]) -> Browser {
        Browser {
            identity: identity.map(Into::into),
            rights: Rights::Standard,
            user_agent: agent.map(http::HeaderValue::from_static),
            address: address.into(),
        }
    }

    #[test]
    fn each_part_tells_browsers_apart_and_only_the_identity_people() {
        const HERE: [u8; 4] = [127, 0, 0, 1];
        let alice = browser(Some("alice"), Some("a"), HERE);
        for (other, same_person) in [
            (browser(Some("alice"), Some("b"), HERE), true),
            (browser(Some("alice"), None, HERE), true),
            (browser(Some("alice"), Some("a"), [127, 0, 0, 2]), true),
            (browser(Some("alicea"), Some(""), HERE), false),
            (browser(Some("bob"), Some("a"), HERE), false),
            (browser(Some(""), Some("a"), HERE), false),
            (browser(None, Some("a"), HERE), false),
        ] {
            assert_ne!(BrowserKey::of(&other), BrowserKey::of(&alice), "{other:?}");
            let is_same = PersonKey::of(&other) == PersonKey::of(&alice);
            assert_eq!(is_same, same_person, "{other:?}");
        }
        for rights in [Rights::Administrator, Rights::Guest] {
            let moved = Browser {
                rights,
                ..alice.clone()
            };
            assert_ne!(BrowserKey::of(&moved), BrowserKey::of(&alice), "{rights:?}");
            assert_eq!(PersonKey::of(&moved), PersonKey::of(&alice));
        }
        assert_eq!(BrowserKey::of(&alice.clone()), BrowserKey::of(&alice));
        let [one, other] = [HERE, [127, 9, 9, 9]].map(|at| browser(None, None, at));
        assert_eq!(PersonKey::of(&one), PersonKey::of(&other));
    }
}
