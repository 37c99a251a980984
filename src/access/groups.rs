//! The groups that single sign-on states of a person, and whose are let in. Pure.

use http::HeaderName;

use crate::access::identity::trimmed;
use crate::config::allow_options::AllowConfig;
use crate::http_rules::HeaderView;

/// The character between two groups, where neither an option nor a gate says another.
pub(super) const GROUPS_SEPARATOR: u8 = b'|';

/// The groups whose members are let in.
#[derive(Debug)]
pub(super) struct Groups {
    field: GroupsField,
    allowed: Vec<String>,
}

/// The field that states whose member a person is, where no token does.
#[derive(Debug)]
pub(super) struct GroupsField {
    header: Option<HeaderName>,
    separator: u8,
}

/// What says whose member a person is.
#[derive(Debug)]
pub(super) enum Membership<'a, Fields: ?Sized> {
    /// The fields of the request.
    Fields(&'a Fields),
    /// A token that was verified, which may say nothing of groups.
    Token(Option<&'a [Box<str>]>),
}

impl Groups {
    /// The groups that `config` lets in, if it names any.
    pub(super) fn of(config: &AllowConfig) -> Option<Self> {
        let allowed = config.allowed_groups.clone()?;
        let field = GroupsField::of(config);
        Some(Self { field, allowed })
    }

    /// Is an allowed group stated of a person?
    pub(super) fn admits(&self, membership: &Membership<'_, impl HeaderView + ?Sized>) -> bool {
        self.field.states_any(membership, &self.allowed)
    }
}

impl GroupsField {
    /// The field that `config` names.
    pub(super) fn of(config: &AllowConfig) -> Self {
        Self {
            header: config.groups_header.clone(),
            separator: config.groups_separator.unwrap_or(GROUPS_SEPARATOR),
        }
    }

    /// Does a token, or exactly one line of the field, state the person's groups, none of them too?
    pub(super) fn is_stated(&self, membership: &Membership<'_, impl HeaderView + ?Sized>) -> bool {
        match membership {
            Membership::Token(stated) => stated.is_some(),
            Membership::Fields(fields) => {
                let header = self.header.as_ref();
                header.is_some_and(|header| fields.single(header).is_some())
            }
        }
    }

    /// Does the token, or exactly one line of the field, state one of `groups`? A line beside that of single
    /// sign-on may be anybody's.
    pub(super) fn states_any(
        &self,
        membership: &Membership<'_, impl HeaderView + ?Sized>,
        groups: &[String],
    ) -> bool {
        let is_one = |group: &[u8]| groups.iter().any(|held| held.as_bytes() == group);
        match membership {
            Membership::Token(stated) => {
                let mut stated = stated.unwrap_or_default().iter();
                stated.any(|group| is_one(group.as_bytes()))
            }
            Membership::Fields(fields) => {
                let header = self.header.as_ref();
                let stated = header.and_then(|header| fields.single(header));
                let stated = stated.unwrap_or_default();
                let mut stated = stated.split(|byte| *byte == self.separator).map(trimmed);
                stated.any(is_one)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_group_is_one_member_of_one_line() {
        let groups = |separator, allowed: &[&str]| Groups {
            allowed: allowed.iter().map(|group| (*group).to_owned()).collect(),
            field: GroupsField {
                header: Some(HeaderName::from_static("x-groups")),
                separator,
            },
        };
        let admits =
            |groups: &Groups, fields: &http::HeaderMap| groups.admits(&Membership::Fields(fields));
        let admins = groups(b'|', &["Home Server Admins", "a,b"]);
        for (value, expected) in [
            ("Home Server Admins", true),
            ("users|Home Server Admins|x", true),
            ("users | \tHome Server Admins\t", true),
            ("users,Home Server Admins", false),
            ("Home Server Admins,users", false),
            ("Home Server Admins;users", false),
            ("home server admins", false),
            ("Home Server Admins\u{a0}", false),
            ("Home Server Admin", false),
            ("xHome Server Admins", false),
            ("a,b", true),
            ("a|b", false),
            ("", false),
            ("||", false),
        ] {
            let fields = from_lines(&[("x-groups", value)]);
            assert_eq!(admits(&admins, &fields), expected, "{value}");
        }
        let line = ("x-groups", "Home Server Admins");
        assert!(!admits(&admins, &from_lines(&[line, line])), "repeated");
        assert!(
            !admits(&admins, &from_lines(&[line, ("x-groups", "")])),
            "repeated"
        );
        assert!(
            !admits(&admins, &from_lines(&[("x_groups", line.1)])),
            "another name"
        );
        let by_commas = groups(b',', &["dev", "ops"]);
        assert!(admits(
            &by_commas,
            &from_lines(&[("x-groups", "users, ops")])
        ));
        assert!(!admits(
            &by_commas,
            &from_lines(&[("x-groups", "users|ops")])
        ));
    }

    #[test]
    fn a_token_states_groups_one_by_one_and_no_field_does_beside_it() {
        let groups = Groups {
            allowed: vec!["dev".to_owned(), "a|b".to_owned()],
            field: GroupsField {
                header: Some(HeaderName::from_static("x-groups")),
                separator: b'|',
            },
        };
        for (stated, expected) in [("dev", true), ("a|b", true), ("x|dev", false), ("", false)] {
            let stated = ["x".into(), Box::from(stated)];
            let membership = Membership::<http::HeaderMap>::Token(Some(&stated));
            assert_eq!(groups.admits(&membership), expected, "{stated:?}");
        }
    }
}
