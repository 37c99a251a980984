//! The host name at which apps reach a t3, and whose t3 is meant by one. Pure.

use crate::config::placeholders::{Piece, Placeholder, is_plain, pieces};
use crate::config::upstream_template::{MAX_LABEL, MAX_NAME, is_label};

/// A host name, with `{user}` in its first label where each person has another t3, and with a port if that is
/// not https' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHost {
    before: String,
    has_user: bool,
    after: String,
    port: Option<u16>,
}

impl DeviceHost {
    /// Reads `text`, as `devices.example.org`, `devices.example.org:8443` or `{user}.t3.example.org`.
    ///
    /// # Errors
    /// What is needed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let needed = "a host name is needed, as devices.example.org or {user}.t3.example.org:8443";
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (name, Some(port.ok_or(needed)?))
            }
            None => (text, None),
        };
        let pieces = pieces(name)?;
        let (before, has_user, after) = match pieces.as_slice() {
            [Piece::Text(name)] => (name.as_str(), false, ""),
            [Piece::Name(Placeholder::User), Piece::Text(after)] => ("", true, after.as_str()),
            [
                Piece::Text(before),
                Piece::Name(Placeholder::User),
                Piece::Text(after),
            ] => (before.as_str(), true, after.as_str()),
            _ => return Err("{user} is needed once, in the first of several labels".to_owned()),
        };
        if has_user && (before.contains('.') || !after.contains('.')) {
            return Err("{user} is needed once, in the first of several labels".to_owned());
        }
        let host = Self {
            before: before.to_ascii_lowercase(),
            has_user,
            after: after.to_ascii_lowercase(),
            port,
        };
        let example = host.name_for("x").ok_or(needed)?;
        let is_name = example.split('.').all(is_label);
        is_name.then_some(host).ok_or_else(|| needed.to_owned())
    }

    /// Does it say whose t3 is meant?
    pub fn names_user(&self) -> bool {
        self.has_user
    }

    /// The host, and the port if there is one, for a link of the person called `user`; none where that is no
    /// name that can stand in one.
    pub fn authority_for(&self, user: &str) -> Option<String> {
        let name = self.name_for(user)?;
        Some(match self.port {
            Some(port) => format!("{name}:{port}"),
            None => name,
        })
    }

    /// Whose t3 a request for `host` is for, the value of its `Host` field: by its name, whatever the port and
    /// the case. `None` where it is another host, or there is no `{user}`.
    pub fn user_of(&self, host: &[u8]) -> Option<String> {
        let host = str::from_utf8(host).ok()?;
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return None,
            None => host,
        };
        let name = name.to_ascii_lowercase();
        let user = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        (self.has_user && is_plain(user)).then(|| user.to_owned())
    }

    fn name_for(&self, user: &str) -> Option<String> {
        if !self.has_user {
            return Some(self.before.clone());
        }
        let name = format!("{}{user}{}", self.before, self.after);
        let first = name.split('.').next().unwrap_or_default().len();
        (is_plain(user) && first <= MAX_LABEL && name.len() <= MAX_NAME).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_one_person_or_nobody() {
        let of = |template: &str, host: &str| {
            let template = DeviceHost::parse(template).expect(template);
            template.user_of(host.as_bytes())
        };
        let alice = || Some("alice".to_owned());
        let each = "{user}.t3.example.org";
        for (host, expected) in [
            ("alice.t3.example.org", alice()),
            ("Alice.T3.example.org:8443", alice()),
            ("alice.t3.example.org:", alice()),
            ("t3.example.org", None),
            (".t3.example.org", None),
            ("alice.t3.example.org.", None),
            ("alice.t3.example.org.evil.test", None),
            ("a.alice.t3.example.org", None),
            ("-alice.t3.example.org", None),
            ("al%69ce.t3.example.org", None),
            ("alice_.t3.example.org", None),
            ("alice.t3.example.org:x", None),
            ("[::1]:80", None),
            ("", None),
        ] {
            assert_eq!(of(each, host), expected, "{host}");
        }
        assert_eq!(
            of("app-{user}.example.org", "app-alice.example.org"),
            alice()
        );
        assert_eq!(of("app-{user}.example.org", "alice.example.org"), None);
        assert_eq!(of("t3.example.org", "t3.example.org"), None);
    }

    #[test]
    fn a_link_has_the_host_of_its_person() {
        let of = |template: &str, user: &str| {
            DeviceHost::parse(template)
                .expect(template)
                .authority_for(user)
        };
        let link = |text: &str| Some(text.to_owned());
        assert_eq!(of("{user}.t3.test:8443", "ada"), link("ada.t3.test:8443"));
        assert_eq!(of("T3.test", "ada"), link("t3.test"));
        for user in ["", "Ada", "a.b", "a@h.test", "-", &"a".repeat(64)] {
            assert_eq!(of("{user}.t3.test", user), None, "{user}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "{user}",
            "{user}x",
            "t3.{user}.test",
            "{user}.{user}.test",
            "{os_user}.test",
            "a b",
            "t3.test:",
            "t3.test:0",
            "https://t3.test",
            "t3.test/",
            "-t3.test",
            "{user}..test",
            "[::1]",
        ] {
            assert!(DeviceHost::parse(bad).is_err(), "{bad}");
        }
    }
}
