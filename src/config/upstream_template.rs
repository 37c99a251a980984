//! The host name of a person's t3, made of the person's name where the cluster's DNS is the table of people.
//! Pure.

use crate::config::placeholders::{Piece, Placeholder, is_plain, pieces};

/// The limits of a label and of a whole name, in octets (RFC 1035 §2.3.4).
pub(super) const MAX_LABEL: usize = 63;
pub(super) const MAX_NAME: usize = 253;

/// A host name with `{user}` in its first label, and a port.
///
/// Something fixed stands before `{user}` in that label, so that no person's name leads to a service that
/// is not a person's. What stands for it is never encoded: two people never have one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTemplate {
    before: String,
    /// The rest of the first label, and the other labels, as an absolute name.
    after: String,
    port: u16,
}

impl UpstreamTemplate {
    /// Reads `text`, as `t3-{user}.t3.svc.cluster.local:8080`.
    ///
    /// # Errors
    /// What is needed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let needed = "a host name and a port are needed, as t3-{user}.t3.svc.cluster.local:8080";
        let (host, port) = text.rsplit_once(':').ok_or(needed)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(needed)?;
        let pieces = pieces(host)?;
        let (before, after) = match pieces.as_slice() {
            [Piece::Text(before), Piece::Name(Placeholder::User)] => (before, ""),
            [
                Piece::Text(before),
                Piece::Name(Placeholder::User),
                Piece::Text(after),
            ] => (before, after.as_str()),
            _ => return Err("{user} is needed once, with something fixed before it".to_owned()),
        };
        if before.contains('.') {
            return Err("{user} is needed in the first label, with something before it".to_owned());
        }
        let template = Self {
            before: before.to_ascii_lowercase(),
            after: after.trim_end_matches('.').to_ascii_lowercase() + ".",
            port,
        };
        let is_name = |name: String| name.trim_end_matches('.').split('.').all(is_label);
        let is_one = !after.ends_with("..") && template.host("x").is_some_and(is_name);
        is_one.then_some(template).ok_or_else(|| needed.to_owned())
    }

    /// The absolute host name of the person called `user`; none where that is no such label, so that there
    /// is no such person.
    pub fn host(&self, user: &str) -> Option<String> {
        let rest_of_label = self.after.split('.').next().unwrap_or_default();
        let label = self.before.len() + user.len() + rest_of_label.len();
        let name = self.before.len() + user.len() + self.after.len() - ".".len();
        let is_host = is_plain(user) && label <= MAX_LABEL && name <= MAX_NAME;
        is_host.then(|| [&self.before, user, &self.after].concat())
    }

    /// The port there.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Is it a label of a host name, or one of a service's, which may have an underscore?
pub(super) fn is_label(label: &str) -> bool {
    let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(is_of_label)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(template: &str, user: &str) -> Option<String> {
        UpstreamTemplate::parse(template)
            .expect(template)
            .host(user)
    }

    #[test]
    fn a_person_s_host_is_an_absolute_name() {
        let template = "t3-{user}.t3.svc.cluster.local:8080";
        let expected = "t3-bob.t3.svc.cluster.local.";
        assert_eq!(host(template, "bob").as_deref(), Some(expected));
        assert_eq!(UpstreamTemplate::parse(template).expect("one").port(), 8080);
        for (template, expected) in [
            ("t3-{user}.svc.:1", "t3-bob.svc."),
            ("T3-{user}-X.Svc:1", "t3-bob-x.svc."),
            ("t3{user}:65535", "t3bob."),
        ] {
            assert_eq!(
                host(template, "bob").as_deref(),
                Some(expected),
                "{template}"
            );
        }
    }

    #[test]
    fn no_other_name_is_anybody_s() {
        let template = "t3-{user}.t3.svc:8080";
        let odd =
            "Bob BOB b_b a.b a@h.test bob. -b b- .. b\u{f6}b \u{ff42}ob x%2e {user} bob:80 bob/x";
        for user in odd.split(' ').chain(["", " bob", "bob\n", "b b", "bob\0"]) {
            assert_eq!(host(template, user), None, "{user:?}");
        }
        for (user, is_somebody) in [(60, true), (61, false)] {
            let user = "a".repeat(user);
            assert_eq!(host(template, &user).is_some(), is_somebody);
            assert_eq!(host("t{user}-x.x:1", &user).is_some(), is_somebody);
        }
        let far = format!("t3-{{user}}.{}:1", [&*"a".repeat(60); 4].join("."));
        assert_eq!(host(&far, "123456").map(|name| name.len()), Some(254));
        assert_eq!(host(&far, "1234567"), None, "over 253 octets");
    }

    #[test]
    fn a_template_has_something_fixed_before_the_person() {
        for wrong in [
            "",
            "t3-{user}",
            "t3-{user}.svc",
            "t3-{user}.svc:",
            "t3-{user}.svc:0",
            "t3-{user}.svc:65536",
            "t3-{user}.svc:http",
            "{user}.svc:1",
            "svc.{user}:1",
            "t3.x-{user}.svc:1",
            "t3.svc:1",
            "t3-{user}-{user}.svc:1",
            "t3-{user}.{user}:1",
            "t3-{os_user}.svc:1",
            "t3-{name}.svc:1",
            "-{user}.svc:1",
            "t3 {user}.svc:1",
            "t3-{user}..svc:1",
            "t3-{user}.svc..:1",
            "t3-{user}.-svc:1",
            "t3-{user}.s/vc:1",
            "http://t3-{user}.svc:1",
            "t3-{user}-.svc:1",
        ] {
            assert!(UpstreamTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
