//! Who is let in: users by name or domain, from an option or a file, and the members of groups.

use std::collections::HashSet;

use tokio::time::Instant;
use tracing::warn;

use crate::access::groups::{Groups, Membership};
use crate::access::identity::domain_of;
use crate::access::reread_file::RereadFile;
use crate::config::allow_options::AllowConfig;
use crate::config::timing::Timing;
use crate::http_rules::{HeaderView, name_text};

/// Everybody whom one of the options lets in.
#[derive(Debug)]
pub(super) struct AllowList {
    users: Users,
    file: Option<RereadFile<Users>>,
    groups: Option<Groups>,
}

/// Users by name, or all of a domain.
#[derive(Debug, Default)]
pub struct Users {
    names: HashSet<Box<str>>,
    domains: HashSet<Box<str>>,
}

impl AllowList {
    /// The list that `config` states; none where it lets everybody in.
    pub(super) fn new(config: &AllowConfig, timing: Timing) -> Option<Self> {
        let users = config.allowed_users.as_deref();
        let file = config.allowed_users_file.as_deref();
        if users.is_none() && file.is_none() && config.allowed_groups.is_none() {
            return None;
        }
        let entries = users.unwrap_or_default().iter();
        Some(Self {
            users: Users::of(entries.map(|entry| entry.as_bytes())),
            file: file.map(|path| {
                let what = "the list of allowed users";
                let file = RereadFile::new(what, path.to_owned(), timing.file_reread, Users::parse);
                if let Err(error) = file.open() {
                    warn!(%error, "nobody is let in by a file that is unusable");
                }
                file
            }),
            groups: Groups::of(config),
        })
    }

    /// Need its file not be looked at, at `now`?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.file.as_ref().is_none_or(|file| file.is_fresh(now))
    }

    /// Looks at its file again, if that has not been done for a while.
    pub(super) async fn refresh(&self) {
        if let Some(file) = &self.file {
            file.refresh().await;
        }
    }

    /// Does a file say who is let in, and nothing that a request has to state beside the name?
    pub(super) fn is_by_file(&self) -> bool {
        self.file.is_some() && self.groups.is_none()
    }

    /// Is it known whom it names? Not while its file is missing or cannot be used.
    pub(super) fn is_known(&self) -> bool {
        let is_read = |file: &RereadFile<Users>| file.with(|users| users.is_some());
        self.file.as_ref().is_none_or(is_read)
    }

    /// Does the name alone say who is let in, and is it known who is?
    pub(super) fn is_by_name(&self) -> bool {
        self.groups.is_none() && self.is_known()
    }

    /// Is somebody let in who is `name` here, by the name alone? Single sign-on may have stated it with any
    /// of `domains`, which are taken off. Yes while the file cannot be looked at.
    pub(super) fn admits_name(&self, name: &str, domains: &[String]) -> bool {
        let is_among = |users: &Users| {
            let mut stated = domains.iter().map(|domain| format!("{name}@{domain}"));
            users.contains(name, name) || stated.any(|stated| users.contains(&stated, name))
        };
        let in_file = |file: &RereadFile<Users>| {
            file.is_unseen() || file.with(|users| users.is_some_and(is_among))
        };
        is_among(&self.users) || self.file.as_ref().is_some_and(in_file)
    }

    /// Is somebody let in whom single sign-on calls `stated`? `name` is it without a domain that is taken off.
    pub(super) fn admits(
        &self,
        stated: &str,
        name: &str,
        membership: &Membership<'_, impl HeaderView + ?Sized>,
    ) -> bool {
        let in_file =
            |users: Option<&Users>| users.is_some_and(|users| users.contains(stated, name));
        self.users.contains(stated, name)
            || self.file.as_ref().is_some_and(|file| file.with(in_file))
            || self
                .groups
                .as_ref()
                .is_some_and(|groups| groups.admits(membership))
    }
}

impl Users {
    /// The users of `entries`: a name is that name exactly, `@h.test` is everybody of that domain. White
    /// space around an entry is not part of it.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut users = Self::default();
        for entry in entries {
            let entry = name_text::text_of(entry.trim_ascii());
            match entry.strip_prefix('@') {
                Some(domain) => users.domains.insert(domain.into()),
                None => users.names.insert(entry.into()),
            };
        }
        users
    }

    /// The users of a file: one a line, without empty lines and those that begin with `#`.
    fn parse(content: &[u8]) -> Result<Self, &'static str> {
        let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let users = Self::of(lines.filter(|line| !matches!(line, [] | [b'#', ..])));
        match users.names.is_empty() && users.domains.is_empty() {
            true => Err("there is no user in it"),
            false => Ok(users),
        }
    }

    /// Is somebody among them whom single sign-on calls `stated`? `name` is the same without a domain
    /// that is taken off.
    pub fn contains(&self, stated: &str, name: &str) -> bool {
        let is_of_domain = || domain_of(stated).is_some_and(|domain| self.domains.contains(domain));
        self.names.contains(stated) || self.names.contains(name) || is_of_domain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::identity::without_domain;

    #[test]
    fn an_entry_is_one_user_exactly_or_a_domain() {
        let entries = [
            "alice",
            "bob@h.test",
            "@d.test",
            "ad@min@h.test",
            "Zo\u{eb}",
        ];
        let users = Users::of(entries.map(str::as_bytes));
        for (stated, expected) in [
            ("alice", true),
            ("alice@h.test", false),
            ("alice@", false),
            ("Alice", false),
            ("alice\u{a0}", false),
            ("bob@h.test", true),
            ("bob", false),
            ("bob@h.test@", false),
            ("bob@h.test@evil.test", false),
            ("bob@evil.test", false),
            ("eve@d.test", true),
            ("@d.test", false),
            ("d.test", false),
            ("eve@D.test", false),
            ("eve@x.d.test", false),
            ("eve@d.test.evil.test", false),
            ("eve@evil.test@d.test", false),
            ("eve@d.test@", false),
            ("@@d.test", false),
            ("ad@min@h.test", true),
            ("Zo\u{eb}", true),
            ("Zoe\u{308}", false),
            ("", false),
            ("@", false),
        ] {
            assert_eq!(users.contains(stated, stated), expected, "{stated}");
        }
        assert!(!Users::of([&b"@"[..]]).contains("alice@", "alice@"));
    }

    #[test]
    fn a_user_is_on_the_list_with_the_domain_that_is_taken_off_or_without() {
        let domains = ["h.test".to_owned()];
        let listed = |entry: &str, stated: &str| {
            let name = without_domain(stated.into(), &domains);
            Users::of([entry.as_bytes()]).contains(stated, &name)
        };
        assert!(listed("alice", "alice@h.test"));
        assert!(listed("alice@h.test", "alice@h.test"));
        assert!(listed("@h.test", "alice@h.test"));
        assert!(!listed("@h.test", "alice"), "of no domain that is stated");
        assert!(!listed("alice@h.test", "alice"));
        assert!(!listed("alice", "alice@h.test@h.test"));
        assert!(!listed("alice@evil.test", "alice@evil.test@h.test"));
    }

    #[test]
    fn who_has_a_domain_taken_off_is_found_by_the_name_that_is_left() {
        let domains = ["h.test".to_owned(), "i.test".to_owned()];
        let listed = |entry: &str, name: &str| {
            let list = AllowList {
                users: Users::of([entry.as_bytes()]),
                file: None,
                groups: None,
            };
            list.admits_name(name, &domains)
        };
        for entry in ["alice", "alice@h.test", "alice@i.test", "@h.test"] {
            assert!(listed(entry, "alice"), "{entry}");
        }
        for entry in ["alice@evil.test", "@evil.test", "bob", "Alice"] {
            assert!(!listed(entry, "alice"), "{entry}");
        }
        assert!(listed("@evil.test", "eve@evil.test"));
        assert!(!listed("@h.test", "eve@evil.test"));
    }

    #[test]
    fn a_file_has_a_user_a_line() {
        let users = Users::parse(b"# people\r\nalice\r\n\n \tbob@h.test \n@d.test\nZo\xeb\n#eve");
        let users = users.expect("users");
        for name in ["alice", "bob@h.test", "x@d.test", "Zo%EB"] {
            assert!(users.contains(name, name), "{name}");
        }
        for name in ["", "#eve", "eve", "# people", "Zo\u{fffd}", "bob"] {
            assert!(!users.contains(name, name), "{name}");
        }
        for content in ["", "\n \n", "# nobody yet\n"] {
            assert!(Users::parse(content.as_bytes()).is_err(), "{content:?}");
        }
    }
}
