//! What is known of one session: the person that it was made for, and whether it may do what rights say. Pure.

use std::sync::Arc;

use crate::access::rights::Rights;
use crate::access::session_label::{SessionLabel, label_of};
use crate::pairing::grants::{Fit, GrantRules, Grants};

/// Whom a session was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// The person of this label, and what the session may do beside each rights.
    Person(Arc<str>, Fits),
    /// Whoever made it by hand: its label is none of the dispatcher's.
    Anyone,
    /// Nobody: no token of t3's has this form.
    Nobody,
}

/// What a session may do beside what each rights say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fits {
    administrator: Fit,
    standard: Fit,
    guest: Fit,
}

impl Owner {
    /// Whom a session of that label was made for, which may do what `fits` tells.
    pub(super) fn of_label(label: Option<&str>, fits: impl FnOnce() -> Fits) -> Self {
        match label.and_then(SessionLabel::read) {
            Some(label) => Self::Person(label.owner.into(), fits()),
            None => Self::Anyone,
        }
    }

    /// What the session may do beside `rights`, if the person of `identity` may use what was made for it. What
    /// was made by hand is as whoever made it wanted it.
    pub(super) fn fit(&self, identity: &str, rights: Rights) -> Option<Fit> {
        match self {
            Self::Anyone => Some(Fit::Exact),
            Self::Nobody => None,
            Self::Person(owner, fits) => {
                (**owner == *label_of(identity)).then(|| fits.beside(rights))
            }
        }
    }
}

impl Fits {
    /// Those of a session that may do `grants`; without them t3 does not say what it may.
    pub(super) fn of(grants: Option<&Grants>, rules: &GrantRules<'_>) -> Self {
        let fit = |rights| rules.fit(grants, rights);
        Self {
            administrator: fit(Rights::Administrator),
            standard: fit(Rights::Standard),
            guest: fit(Rights::Guest),
        }
    }

    /// Those of a session that was made with `rights` just now.
    pub(super) fn of_rights(rights: Rights) -> Self {
        use Fit::{Exact, Narrow, Wide};
        let (administrator, standard, guest) = match rights {
            Rights::Administrator => (Exact, Wide, Wide),
            Rights::Standard => (Narrow, Exact, Wide),
            Rights::Guest => (Narrow, Narrow, Exact),
        };
        Self {
            administrator,
            standard,
            guest,
        }
    }

    /// Those of any session where everybody has the same rights.
    pub(super) fn of_all() -> Self {
        Self {
            administrator: Fit::Exact,
            standard: Fit::Exact,
            guest: Fit::Exact,
        }
    }

    fn beside(self, rights: Rights) -> Fit {
        match rights {
            Rights::Administrator => self.administrator,
            Rights::Standard => self.standard,
            Rights::Guest => self.guest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Rights; 3] = [Rights::Guest, Rights::Standard, Rights::Administrator];

    #[test]
    fn a_session_made_with_rights_fits_these_and_is_wide_beside_lesser_ones() {
        for (at, made) in ALL.into_iter().enumerate() {
            let owner = Owner::of_label(Some(&label_of("ada")), || Fits::of_rights(made));
            for (other, rights) in ALL.into_iter().enumerate() {
                let expected = match at.cmp(&other) {
                    std::cmp::Ordering::Equal => Fit::Exact,
                    std::cmp::Ordering::Less => Fit::Narrow,
                    std::cmp::Ordering::Greater => Fit::Wide,
                };
                assert_eq!(
                    owner.fit("ada", rights),
                    Some(expected),
                    "{made:?} {rights:?}"
                );
                assert_eq!(owner.fit("bob", rights), None);
            }
        }
    }

    #[test]
    fn what_was_made_by_hand_fits_everybody_and_what_is_no_session_nobody() {
        for rights in ALL {
            for label in [None, Some("a phone"), Some("ada@sso.test")] {
                let by_hand = Owner::of_label(label, || Fits::of_rights(Rights::Administrator));
                assert_eq!(by_hand.fit("ada", rights), Some(Fit::Exact), "{label:?}");
            }
            assert_eq!(Owner::Nobody.fit("ada", rights), None);
            assert_eq!(Fits::of_all().beside(rights), Fit::Exact);
        }
    }
}
