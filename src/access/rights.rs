//! A person's rights: those of an administrator, of a guest, or the standard; by the person's groups. Pure.

use crate::access::groups::{GroupsField, Membership};
use crate::config::access_options::AccessConfig;
use crate::http_rules::HeaderView;

/// What a person's session of t3 may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Rights {
    /// All that the dispatcher's own session may.
    Administrator,
    /// What the configuration names.
    Guest,
    /// What t3 gives to anybody who pairs.
    #[default]
    Standard,
}

/// The groups whose members have other rights than the standard.
#[derive(Debug)]
pub(super) struct GroupRights {
    field: GroupsField,
    administrators: Vec<String>,
    guests: Vec<String>,
}

impl GroupRights {
    /// The groups that `config` names, if it names any.
    pub(super) fn of(config: &AccessConfig) -> Option<Self> {
        let rights = &config.rights;
        rights.is_any_set().then(|| Self {
            field: GroupsField::of(&config.allow),
            administrators: rights.admin_groups.clone().unwrap_or_default(),
            guests: rights.guest_groups.clone().unwrap_or_default(),
        })
    }

    /// The rights of a person of that membership. An administrator who is among guests too is one. Whose groups
    /// are not stated may be a guest: a client can have a proxy take the field off (RFC 9110 §7.6.1), and a token
    /// may have no room for them.
    pub(super) fn of_member(
        &self,
        membership: &Membership<'_, impl HeaderView + ?Sized>,
    ) -> Rights {
        if self.field.states_any(membership, &self.administrators) {
            Rights::Administrator
        } else if self.field.states_any(membership, &self.guests)
            || (!self.guests.is_empty() && !self.field.is_stated(membership))
        {
            Rights::Guest
        } else {
            Rights::Standard
        }
    }
}

impl Rights {
    /// What these rights are called, in log lines and metrics.
    pub fn text(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Guest => "guest",
            Self::Standard => "standard",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use http::HeaderMap;

    use super::*;
    use crate::config::Config;
    use crate::http_rules::header_map::from_lines;

    fn groups(args: &[&str]) -> Option<GroupRights> {
        let gate = ["t3-dispatcher", "--gate", "authentik"];
        GroupRights::of(
            &Config::parse_from([&gate, args].concat())
                .access
                .with_gate(),
        )
    }

    const NAME: &str = "x-authentik-groups";

    #[test]
    fn rights_are_those_of_the_groups_that_one_line_or_the_token_states() {
        use Rights::{Administrator, Guest, Standard};
        let options = ["--admin-groups", "staff,ops", "--guest-groups", "visitors"];
        let without_guests = groups(&options[..2]).expect("groups");
        let groups = groups(&options).expect("groups");
        for (lines, expected) in [
            (&[][..], Guest),
            (&["staff"], Administrator),
            (&["users|ops"], Administrator),
            (&["visitors"], Guest),
            (&["users | visitors "], Guest),
            (&["visitors|staff"], Administrator),
            (&["staff|visitors"], Administrator),
            (&["users"], Standard),
            (&["Staff"], Standard),
            (&["staff,visitors"], Standard),
            (&["staff", "staff"], Guest),
            (&["visitors", "staff"], Guest),
            (&["", "staff"], Guest),
            (&[""], Standard),
        ] {
            let lines: Vec<_> = lines.iter().map(|value| (NAME, *value)).collect();
            let fields = from_lines(&lines);
            let found = groups.of_member(&Membership::Fields(&fields));
            assert_eq!(found, expected, "{lines:?}");
        }
        let unstated = Membership::Fields(&HeaderMap::new());
        assert_eq!(without_guests.of_member(&unstated), Standard);
        for (stated, expected) in [
            (&[][..], Standard),
            (&["staff"], Administrator),
            (&["visitors", "ops"], Administrator),
            (&["visitors"], Guest),
            (&["visitors|ops"], Standard),
        ] {
            let stated: Vec<_> = stated.iter().map(|group| Box::from(*group)).collect();
            let membership = Membership::<HeaderMap>::Token(Some(&stated));
            assert_eq!(groups.of_member(&membership), expected, "{stated:?}");
        }
        let unstated = Membership::<HeaderMap>::Token(None);
        assert_eq!(groups.of_member(&unstated), Guest);
        assert_eq!(without_guests.of_member(&unstated), Standard);
    }

    /// Every set of groups out of four, in every order of two lists.
    #[test]
    fn nobody_outside_a_group_has_its_rights() {
        const ALL: [&str; 4] = ["staff", "visitors", "users", "other"];
        let both = ["--admin-groups", "staff", "--guest-groups", "visitors"];
        for options in [&both[..2], &both[2..], &both] {
            let groups = groups(options).expect("groups");
            for set in 0..1 << ALL.len() {
                let is_in = |at: usize| set & (1 << at) != 0;
                let stated = (0..ALL.len()).filter(|at| is_in(*at)).map(|at| ALL[at]);
                let line = stated.collect::<Vec<_>>().join("|");
                let fields = from_lines(&[(NAME, &line)]);
                let found = groups.of_member(&Membership::Fields(&fields));
                let is_admin = is_in(0) && options.contains(&"staff");
                let is_guest = is_in(1) && options.contains(&"visitors") && !is_admin;
                assert_eq!(found == Rights::Administrator, is_admin, "{line}");
                assert_eq!(found == Rights::Guest, is_guest, "{line}");
            }
        }
        assert!(groups(&[]).is_none() && groups(&["--guest-scopes", "a:b"]).is_none());
    }
}
