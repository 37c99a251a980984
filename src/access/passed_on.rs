//! Who a request is from, as a dispatcher behind this one is told it.
//!
//! Both ways through write the same fields, by [`PassedOn::write`]. What a client sends by these names is
//! withheld before, like everything of a gate.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::access::AccessPolicy;
use crate::access::groups::GROUPS_SEPARATOR;
use crate::access::identity::trimmed;
use crate::access::inner::{InnerDispatcher, NotPassedOn};
use crate::access::secret_file::SecretFile;
use crate::access::visitor::Name;
use crate::http_rules::HeaderView;
use crate::http_rules::header_policy::SECRET_HEADER;
use crate::http_rules::name_text::bytes_of;
use crate::http_rules::scan::text_length;

/// The fields that name the person and the groups, where only a token does so to this dispatcher.
static IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-dispatcher-user");
static GROUPS_HEADER: HeaderName = HeaderName::from_static("x-dispatcher-groups");

/// Who a request is from, as an inner dispatcher is told it.
#[derive(Debug)]
pub struct PassedOn<'a> {
    secret: Option<&'a SecretFile>,
    identity: Stated<'a>,
    groups: Option<Stated<'a>>,
}

/// A field of it.
#[derive(Debug)]
struct Stated<'a> {
    name: &'a HeaderName,
    prefix: &'static str,
    value: Cow<'a, [u8]>,
}

impl AccessPolicy {
    /// What `inner` is told of the person of `identity`, whose groups are stated as `groups`. The name is the
    /// one that this dispatcher knows the person by, and the field that of its own gate.
    ///
    /// # Errors
    /// Where it cannot be told that.
    pub fn passed_on<'a>(
        &'a self,
        inner: &'a InnerDispatcher,
        identity: &'a str,
        groups: Option<Cow<'a, [u8]>>,
    ) -> Result<PassedOn<'a>, NotPassedOn> {
        let header = self.config.identity_header.as_ref();
        let identity = Stated {
            name: header.unwrap_or(&IDENTITY_HEADER),
            prefix: self.config.identity_prefix,
            value: bytes_of(identity),
        };
        if identity.value.is_empty() || !identity.is_read_alike() {
            return Err(NotPassedOn::Name);
        }
        let groups = groups.map(|value| Stated {
            name: self.groups_header(),
            prefix: "",
            value,
        });
        let is_another = |groups: &Stated<'_>| groups.name != identity.name;
        Ok(PassedOn {
            secret: inner.secret.as_ref(),
            groups: groups.filter(|groups| is_another(groups) && groups.is_read_alike()),
            identity,
        })
    }

    /// The groups that are stated of `person`, whom `fields` name: by exactly one line of the gate's field, or
    /// by the token.
    pub fn stated_groups<'a>(
        &'a self,
        fields: &'a (impl HeaderView + ?Sized),
        person: Option<&Name<'_>>,
    ) -> Option<Cow<'a, [u8]>> {
        match person? {
            Name::Stated(_) => {
                let header = self.config.allow.groups_header.as_ref()?;
                fields.single(header).map(trimmed).map(Cow::Borrowed)
            }
            Name::Verified(person) => {
                let separator = self.config.allow.groups_separator;
                let separator = separator.unwrap_or(GROUPS_SEPARATOR);
                let groups = person.groups.as_ref()?.iter();
                let groups = groups.map(|group| bytes_of(group));
                // One with the separator in it would be several.
                let groups = groups.filter(|group| !group.contains(&separator));
                Some(Cow::Owned(groups.collect::<Vec<_>>().join(&separator)))
            }
        }
    }

    fn groups_header(&self) -> &HeaderName {
        let header = self.config.allow.groups_header.as_ref();
        header.unwrap_or(&GROUPS_HEADER)
    }
}

impl PassedOn<'_> {
    /// Writes the fields, each by its name and the parts of its value: exactly one identity, the groups if
    /// any are stated, and the secret if one is configured.
    ///
    /// # Errors
    /// Where the secret is not there: then nothing is written.
    pub fn write(&self, mut line: impl FnMut(&str, &[&[u8]])) -> Result<(), NotPassedOn> {
        if let Some(secret) = self.secret {
            secret.with_first(|secret| {
                let secret = secret.ok_or(NotPassedOn::NoSecret)?;
                line(SECRET_HEADER.as_str(), &[secret]);
                Ok(())
            })?;
        }
        let fields = [Some(&self.identity), self.groups.as_ref()];
        for field in fields.into_iter().flatten() {
            let parts = [field.prefix.as_bytes(), &field.value];
            line(field.name.as_str(), &parts);
        }
        Ok(())
    }

    /// Writes them to a request that the header policy has judged.
    ///
    /// # Errors
    /// Where the secret is not there: then nothing is written.
    pub fn set(&self, headers: &mut HeaderMap) -> Result<(), NotPassedOn> {
        self.write(|name, parts| {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(&parts.concat());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.insert(name, value);
            }
        })
    }
}

impl Stated<'_> {
    /// Does everybody who reads it as a field's value find the same in it?
    fn is_read_alike(&self) -> bool {
        let value = &*self.value;
        trimmed(value) == value && text_length(value) == value.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::access::inner::{InnerDispatcher, NotPassedOn};
    use crate::access::visitor::{Person, Standing};
    use crate::config::Config;
    use crate::http_rules::header_map::from_lines;
    use crate::process::Tasks;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn policy(args: &[&str]) -> AccessPolicy {
        let config = Config::parse_from([&["t3-dispatcher"], args].concat());
        AccessPolicy::new(config.access, config.timing, &Tasks::default()).expect("a policy")
    }

    /// The fields of a request with `lines` once it is told who it is from, sorted.
    fn told(policy: &AccessPolicy, lines: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = from_lines(lines);
        let visitor = policy.admit(&mut headers, PEER);
        assert_eq!(visitor.standing, Standing::Allowed);
        let identity = visitor.browser.identity.expect("somebody");
        let groups = visitor.groups.as_deref().map(Cow::Borrowed);
        let inner = InnerDispatcher::without_secret();
        let passed_on = policy.passed_on(&inner, &identity, groups);
        passed_on.expect("told").set(&mut headers).expect("told");
        let of_proxy = |name: &str| name.starts_with("x-forwarded-");
        let lines = headers.iter();
        let lines = lines.filter(|(name, _)| !of_proxy(name.as_str()));
        let text = |value: &HeaderValue| value.as_bytes().escape_ascii().to_string();
        let mut lines: Vec<_> = lines
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_person_and_the_groups_are_told_as_the_gate_would() {
        let authentik = policy(&["--gate", "authentik", "--identity-domains", "h.test"]);
        let user = ("x-authentik-username", "ada");
        let groups = ("x-authentik-groups", "a|b, c");
        for (lines, expected) in [
            (&[user][..], &[user][..]),
            (&[groups, user], &[groups, user]),
            (&[("x-authentik-username", "ada@h.test")], &[user]),
            (&[("x-authentik-username", " ada\t")], &[user]),
            (
                &[("x-authentik-username", "50%")],
                &[("x-authentik-username", "50%")],
            ),
            (&[user, groups, groups], &[user]),
            (
                &[
                    user,
                    ("x_authentik_username", "eve"),
                    ("x-authentik-email", "e"),
                    ("x-dispatcher-user", "eve"),
                    ("x-dispatcher-secret", "guessed"),
                    ("X-Dispatcher-Groups", "admins"),
                ],
                &[user],
            ),
        ] {
            let expected = expected.iter();
            let mut expected: Vec<_> = expected
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            expected.sort();
            assert_eq!(told(&authentik, lines), expected, "{lines:?}");
        }
        let mut latin = from_lines(&[]);
        let name = HeaderValue::from_bytes(b"Zo\xeb").expect("a value");
        latin.insert("x-authentik-username", name.clone());
        let visitor = authentik.admit(&mut latin, PEER);
        let identity = visitor.browser.identity.expect("somebody");
        let inner = InnerDispatcher::without_secret();
        let passed_on = authentik.passed_on(&inner, &identity, None).expect("told");
        passed_on.set(&mut latin).expect("told");
        assert_eq!(latin["x-authentik-username"], name);
        let iap = policy(&["--gate", "iap"]);
        let line = (
            "x-goog-authenticated-user-email",
            "accounts.google.com:ada@h.test",
        );
        let [(_, value)] = &told(&iap, &[line])[..] else {
            panic!("one field");
        };
        assert_eq!(value, line.1);
    }

    #[test]
    fn a_name_that_would_be_read_as_another_is_not_told() {
        let policy = policy(&["--identity-header", "x-user"]);
        let inner = InnerDispatcher::without_secret();
        for name in ["", " ada", "ada ", "ada\t", "a\nb", "a\rb", "a%0Ab", "%20"] {
            let error = policy.passed_on(&inner, name, None).err();
            assert_eq!(error, Some(NotPassedOn::Name), "{name:?}");
        }
    }

    #[test]
    fn a_token_s_groups_are_one_field() {
        let policy = policy(&["--identity-header", "x-user"]);
        let groups = ["dev", "a|b", "50%25", "ops"].map(Box::from);
        let person = |groups: Option<&[Box<str>]>| {
            Name::Verified(Arc::new(Person {
                stated: "ada".into(),
                name: "ada".into(),
                groups: groups.map(<[_]>::to_vec),
            }))
        };
        let fields = from_lines(&[("x-dispatcher-groups", "admins")]);
        let (with, without) = (person(Some(&groups)), person(Some(&[])));
        let stated = policy.stated_groups(&fields, Some(&with));
        assert_eq!(stated.as_deref(), Some(&b"dev|50%|ops"[..]));
        let none = policy.stated_groups(&fields, Some(&without));
        assert_eq!(none.as_deref(), Some(&b""[..]));
        assert_eq!(policy.stated_groups(&fields, Some(&person(None))), None);
        assert_eq!(policy.stated_groups(&fields, None), None);
        let inner = InnerDispatcher::without_secret();
        let passed_on = policy.passed_on(&inner, &with, stated).expect("told");
        let mut headers = fields.clone();
        passed_on.set(&mut headers).expect("told");
        assert_eq!(headers["x-dispatcher-groups"], "dev|50%|ops");
        assert_eq!(headers["x-user"], "ada");
        let passed_on = policy.passed_on(&inner, &without, none).expect("told");
        passed_on.set(&mut headers).expect("told");
        assert_eq!(headers["x-dispatcher-groups"], "");
    }
}
