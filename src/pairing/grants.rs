//! What a session of t3's may do, and whether that is what its person's rights say. Pure.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::access::rights::Rights;

/// Scopes by t3's names (contract §4), which have no space in them (RFC 6749 §3.3).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants(Box<str>);

/// What a session may do, beside what the rights of its person say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The same.
    Exact,
    /// Less, and nothing else.
    Narrow,
    /// More, or something else.
    Wide,
}

/// The scopes that the sessions of people have, by their rights.
#[derive(Debug, Clone, Copy)]
pub struct GrantRules<'a> {
    /// Those of the dispatcher's own session: all that there are here for anybody.
    pub own: &'a Grants,
    /// Those that the configuration gives to guests.
    pub guest: &'a [String],
}

/// What every guest may, if that one may do anything.
const READ: &str = "orchestration:read";

/// What every standard session may, and t3 means by taking part (contract §4).
const OPERATE: &str = "orchestration:operate";

/// How the names begin by which a session may give rights to others.
const ADMINISTRATIVE: &str = "access:";

impl Grants {
    /// The scopes of `names`.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        Self(names.join(" ").into())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }

    fn have(&self, name: &str) -> bool {
        self.names().any(|held| held == name)
    }

    /// Are all of them among `others`?
    fn are_within(&self, others: &Self) -> bool {
        self.names().all(|name| others.have(name))
    }

    /// Are they the same as `others`, in any order?
    pub fn are_those_of(&self, others: &Self) -> bool {
        self.are_within(others) && others.are_within(self)
    }
}

impl GrantRules<'_> {
    /// The scopes that are to be named for a session with `rights`; none are for a standard one, which t3
    /// gives its own. `None` where this t3 does not know what those rights are.
    pub fn named_for(&self, rights: Rights) -> Option<Option<Grants>> {
        match rights {
            Rights::Standard => Some(None),
            Rights::Administrator => {
                let is_known = self.own.names().next().is_some();
                is_known.then(|| Some(self.own.clone()))
            }
            Rights::Guest => {
                let named = self.of_guest();
                let is_any = self.own.have(READ) && named.names().next().is_some();
                is_any.then_some(Some(named))
            }
        }
    }

    /// What a session that has `grants` may do beside what `rights` say. One of which t3 does not say what it
    /// may do may do anything.
    pub fn fit(&self, grants: Option<&Grants>, rights: Rights) -> Fit {
        let Some(grants) = grants else {
            return match rights {
                Rights::Administrator => Fit::Narrow,
                Rights::Standard | Rights::Guest => Fit::Wide,
            };
        };
        let is_administrative = || grants.names().any(|name| name.starts_with(ADMINISTRATIVE));
        match rights {
            Rights::Administrator if self.own.are_within(grants) => Fit::Exact,
            Rights::Administrator => Fit::Narrow,
            Rights::Standard if is_administrative() => Fit::Wide,
            Rights::Standard if grants.have(OPERATE) => Fit::Exact,
            Rights::Standard => Fit::Narrow,
            Rights::Guest => {
                let guest = self.of_guest();
                match (grants.are_within(&guest), guest.are_within(grants)) {
                    (true, true) => Fit::Exact,
                    (true, false) => Fit::Narrow,
                    (false, _) => Fit::Wide,
                }
            }
        }
    }

    /// What the configuration gives to guests, as far as this t3 knows it.
    fn of_guest(&self) -> Grants {
        let known = self.guest.iter().map(String::as_str);
        let known: std::collections::BTreeSet<_> =
            known.filter(|name| self.own.have(name)).collect();
        Grants::of(known)
    }
}

impl Grants {
    /// The scopes that `value` lists, as t3 does; `None` if it is no list of names.
    pub fn read(value: &Value) -> Option<Self> {
        let names: Option<Vec<_>> = value.as_array()?.iter().map(Value::as_str).collect();
        Some(Self::of(names?))
    }

    /// The same in a row of a list, which is read whatever this is.
    pub(super) fn lenient<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Self>, D::Error> {
        Ok(Self::read(&Value::deserialize(value)?))
    }
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL_1: [&str; 8] = [
        "orchestration:read",
        "orchestration:operate",
        "terminal:operate",
        "review:write",
        "relay:read",
        "access:read",
        "access:write",
        "relay:write",
    ];

    fn guest(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_guest_gets_what_t3_knows_of_what_is_configured_and_at_least_to_read() {
        let own = Grants::of(PROTOCOL_1);
        for (configured, expected) in [
            (&["orchestration:read"][..], Some("orchestration:read")),
            (
                &["terminal:operate", "filesystem:read", "orchestration:read"],
                Some("orchestration:read terminal:operate"),
            ),
            (
                &["orchestration:read", "orchestration:read"],
                Some("orchestration:read"),
            ),
            (&["relay:read"], Some("relay:read")),
            (&["filesystem:read"], None),
            (&[], None),
        ] {
            let guest = guest(configured);
            let rules = GrantRules {
                own: &own,
                guest: &guest,
            };
            let named = rules.named_for(Rights::Guest);
            let named = named.map(|named| named.map(|grants| grants.0.to_string()));
            assert_eq!(
                named,
                expected.map(|names| Some(names.to_owned())),
                "{configured:?}"
            );
        }
        let (own, guest) = (
            Grants::of(["relay:read", "access:write"]),
            guest(&["relay:read"]),
        );
        let rules = GrantRules {
            own: &own,
            guest: &guest,
        };
        assert_eq!(
            rules.named_for(Rights::Guest),
            None,
            "it does not know what reading is"
        );
        assert_eq!(rules.named_for(Rights::Standard), Some(None));
        assert_eq!(
            rules.named_for(Rights::Administrator),
            Some(Some(own.clone()))
        );
        let none = Grants::default();
        let rules = GrantRules {
            own: &none,
            guest: &guest,
        };
        assert_eq!(rules.named_for(Rights::Administrator), None);
    }

    #[test]
    fn a_session_fits_or_may_do_less_or_more() {
        use Fit::{Exact, Narrow, Wide};
        let own = Grants::of(PROTOCOL_1);
        let guest = guest(&["orchestration:read", "relay:read", "filesystem:read"]);
        let rules = GrantRules {
            own: &own,
            guest: &guest,
        };
        let all = PROTOCOL_1.join(" ");
        for (grants, administrator, standard, of_guest) in [
            (&*all, Exact, Wide, Wide),
            (
                "orchestration:read orchestration:operate access:write",
                Narrow,
                Wide,
                Wide,
            ),
            ("orchestration:read access:read", Narrow, Wide, Wide),
            (
                "orchestration:read orchestration:operate terminal:operate review:write relay:read",
                Narrow,
                Exact,
                Wide,
            ),
            ("orchestration:read terminal:operate", Narrow, Narrow, Wide),
            ("relay:read orchestration:read", Narrow, Narrow, Exact),
            ("orchestration:read", Narrow, Narrow, Narrow),
            // Of an earlier t3: this one does not know it.
            ("orchestration:read filesystem:read", Narrow, Narrow, Wide),
            ("", Narrow, Narrow, Narrow),
        ] {
            let grants = Grants::of(grants.split(' '));
            let found = [Rights::Administrator, Rights::Standard, Rights::Guest];
            let found = found.map(|rights| rules.fit(Some(&grants), rights));
            assert_eq!(found, [administrator, standard, of_guest], "{grants:?}");
        }
    }

    /// What is made for a person's rights fits these, and is never more than what stands above them.
    #[test]
    fn what_is_named_for_rights_fits_them() {
        let own = Grants::of(PROTOCOL_1);
        let guest = guest(&["orchestration:read", "terminal:operate"]);
        let rules = GrantRules {
            own: &own,
            guest: &guest,
        };
        for rights in [Rights::Administrator, Rights::Guest] {
            let named = rules.named_for(rights).flatten().expect("some");
            assert_eq!(rules.fit(Some(&named), rights), Fit::Exact);
            assert!(named.are_within(&own));
        }
        for rights in [Rights::Standard, Rights::Guest] {
            assert_eq!(rules.fit(None, rights), Fit::Wide, "t3 does not say");
        }
        assert!(Grants::of(["a", "b"]).are_those_of(&Grants::of(["b", "a", "b"])));
        assert!(!Grants::of(["a"]).are_those_of(&Grants::of(["a", "b"])));
    }
}
