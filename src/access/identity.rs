//! Who a request says it is from, by the header that single sign-on sets. Pure.

use std::borrow::Cow;

use http::HeaderName;

use crate::http_rules::header_view::HeaderView;

/// The one non-empty value of exactly `name`; none where it is missing, empty or repeated.
pub fn stated<'a>(
    header: &'a (impl HeaderView + ?Sized),
    name: &'a HeaderName,
) -> Option<Cow<'a, str>> {
    let value = header.single(name)?;
    let stated = match std::str::from_utf8(value) {
        Ok(stated) => Cow::Borrowed(stated.trim()),
        Err(_) => Cow::Owned(String::from_utf8_lossy(value).trim().to_owned()),
    };
    (!stated.is_empty()).then_some(stated)
}

/// Is `identity` on the list, in whole or by the part before its `@`?
pub fn is_listed(identity: &str, list: &[String]) -> bool {
    let local = identity
        .rsplit_once('@')
        .map_or(identity, |(local, _)| local);
    list.iter().any(|held| held == identity || held == local)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn an_identity_is_one_value_of_one_name() {
        let name = HeaderName::from_static("x-authentik-username");
        for (lines, expected) in [
            (vec![("x-authentik-username", "alice")], Some("alice")),
            (vec![("x-authentik-username", " alice ")], Some("alice")),
            (vec![("x-authentik-username", "Zo\u{eb}")], Some("Zo\u{eb}")),
            (vec![], None),
            (vec![("x-authentik-username", "")], None),
            (vec![("x-authentik-username", "  ")], None),
            (vec![("x_authentik_username", "alice")], None),
            (vec![("x.authentik.username", "alice")], None),
            (
                vec![("x-authentik-username", "a"), ("x-authentik-username", "a")],
                None,
            ),
            (
                vec![("x-authentik-username", ""), ("x-authentik-username", "a")],
                None,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (field, value) in &lines {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                headers.append(HeaderName::from_static(field), value);
            }
            assert_eq!(stated(&headers, &name).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_part_before_the_at_suffices() {
        let list = ["alice".to_owned(), "bob@h.test".to_owned()];
        for (identity, expected) in [
            ("alice", true),
            ("alice@h.test", true),
            ("bob@h.test", true),
            ("bob", false),
            ("bob@evil.test", false),
            ("mallory", false),
            ("alice@h.test@evil.test", false),
            ("Alice", false),
            ("@", false),
        ] {
            assert_eq!(is_listed(identity, &list), expected, "{identity}");
        }
    }
}
