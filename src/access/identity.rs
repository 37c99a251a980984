//! Who a request says it is from, by the header that single sign-on sets. Pure.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::access::rights::Rights;
use crate::access::session_label::label_of;
use crate::http_rules::HeaderView;
use crate::http_rules::name_text::text_of;

/// The one non-empty value of exactly `name`, as text without the `prefix` before it; none where it is
/// missing, empty, repeated, or has not that prefix. Only SP and HTAB around it are not part of it (RFC
/// 9110 §5.6.3).
///
/// The text is exact: two values have the same text only if they are equal byte for byte.
pub fn stated<'a>(
    header: &'a (impl HeaderView + ?Sized),
    name: &'a HeaderName,
    prefix: &str,
) -> Option<Cow<'a, str>> {
    let value = trimmed(header.single(name)?).strip_prefix(prefix.as_bytes())?;
    (!value.is_empty()).then(|| text_of(value))
}

/// `value` without the SP and HTAB around it.
pub(super) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `stated` without its domain, if that is one of `domains`.
pub(super) fn without_domain<'a>(stated: Cow<'a, str>, domains: &[String]) -> Cow<'a, str> {
    if domains.is_empty() {
        return stated;
    }
    let Some(domain) =
        domain_of(&stated).filter(|domain| domains.iter().any(|held| held == domain))
    else {
        return stated;
    };
    let length = stated.len() - domain.len() - "@".len();
    match stated {
        Cow::Borrowed(stated) => Cow::Borrowed(&stated[..length]),
        Cow::Owned(mut stated) => {
            stated.truncate(length);
            Cow::Owned(stated)
        }
    }
}

/// The domain of a name that is an e-mail address: something, its only `@`, and the domain.
pub(super) fn domain_of(name: &str) -> Option<&str> {
    let (local, domain) = name.split_once('@')?;
    let is_one = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
    is_one.then_some(domain)
}

/// One browser: the same person, the same program, the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Browser {
    /// Who the person is, where something in front of the dispatcher says so.
    pub identity: Option<Arc<str>>,
    /// What that person's session may do.
    pub rights: Rights,
    /// What the browser calls itself.
    pub user_agent: Option<HeaderValue>,
    /// Where it is.
    pub address: IpAddr,
}

impl Browser {
    /// The person's name for a log line.
    pub fn user(&self) -> &str {
        self.identity.as_deref().unwrap_or("-")
    }

    /// What t3's client list is to call its session: a browser without an identity is one of this
    /// machine.
    pub fn label(&self) -> String {
        label_of(self.identity.as_deref().unwrap_or("browser"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn an_identity_is_one_value_of_one_name() {
        let name = HeaderName::from_static("x-authentik-username");
        for (lines, expected) in [
            (vec![("x-authentik-username", "alice")], Some("alice")),
            (vec![("x-authentik-username", " \talice\t ")], Some("alice")),
            (
                vec![("x-authentik-username", "\u{a0}alice\u{3000}")],
                Some("\u{a0}alice\u{3000}"),
            ),
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
            let found = stated(&headers, &name, "");
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_value_without_its_prefix_is_nobody() {
        let name = HeaderName::from_static("x-goog-authenticated-user-email");
        for (value, expected) in [
            ("accounts.google.com:ada@h.test", Some("ada@h.test")),
            (" accounts.google.com:ada@h.test\t", Some("ada@h.test")),
            ("accounts.google.com:a:b", Some("a:b")),
            ("accounts.google.com:", None),
            ("accounts.google.com", None),
            ("ada@h.test", None),
            (":ada@h.test", None),
            ("Accounts.google.com:ada@h.test", None),
            ("xaccounts.google.com:ada@h.test", None),
            ("accounts.google.com.evil.test:ada@h.test", None),
            ("securetoken.google.com/project:ada@h.test", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, value.parse().expect("a value"));
            let found = stated(&headers, &name, "accounts.google.com:");
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_domain_is_taken_off_an_address_and_off_nothing_else() {
        let domains = ["h.test".to_owned(), "d.test".to_owned()];
        for (stated, expected) in [
            ("alice@h.test", "alice"),
            ("alice@d.test", "alice"),
            ("alice", "alice"),
            ("h.test", "h.test"),
            ("@h.test", "@h.test"),
            ("alice@", "alice@"),
            ("alice@evil.test", "alice@evil.test"),
            ("alice@H.test", "alice@H.test"),
            ("alice@x.h.test", "alice@x.h.test"),
            ("alice@h.test.evil.test", "alice@h.test.evil.test"),
            ("alice@evil.test@h.test", "alice@evil.test@h.test"),
            ("alice@h.test@h.test", "alice@h.test@h.test"),
            ("alice@@h.test", "alice@@h.test"),
        ] {
            for stated in [Cow::Borrowed(stated), Cow::Owned(stated.to_owned())] {
                assert_eq!(without_domain(stated, &domains), expected);
            }
        }
        assert_eq!(without_domain("alice@h.test".into(), &[]), "alice@h.test");
    }

    #[test]
    fn a_browser_without_an_identity_is_one_of_this_machine() {
        let browser = |identity: Option<&str>| Browser {
            identity: identity.map(Arc::from),
            rights: Rights::Standard,
            user_agent: None,
            address: [127, 0, 0, 1].into(),
        };
        assert_eq!(browser(None).label(), "browser@sso");
        assert_eq!(browser(Some("alice")).label(), "alice@sso");
    }
}
