//! Admission: which request goes to t3 as it is, which without t3's session cookie, and which not at all. Pure.
//!
//! | request | condition | admission |
//! |---|---|---|
//! | any | the value of a session cookie is its token, where an identity is required | refuse: 401 |
//! | page load, at a page's path | nobody's | refuse: 403, a page |
//! | upgrade without a token and a ticket | of another origin | refuse: 403 |
//! | upgrade without a token and a ticket | nobody's, with a session cookie | refuse: 403 |
//! | any other | nobody's, or of another origin and no page load | without the session cookie |
//! | any other | | as it is |
//!
//! A request is nobody's where an identity is required and it does not bring exactly one that is
//! believed. It is of another origin if its `Origin` or its `Sec-Fetch-Site` says so; a page load that a
//! link of another site started is the person's own, as for a cookie with `SameSite=Lax`.

use crate::access::visitor::Standing;
use crate::http_rules::credentials::Ticket;
use crate::pairing::policy::{RequestFacts, RouteKind};

/// Whose session a request may act with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It goes on as it is.
    AsItIs,
    /// It goes on without t3's session cookie, by what else it brings.
    WithoutSession,
    /// It is refused: a page of another origin would act with the person's session. Behind single
    /// sign-on the browser's cookie lets requests of any site through, and t3 itself checks no origin
    /// (CWE-1385, contract §5).
    AnotherOrigin,
    /// It is refused: nobody is signed in.
    Nobody,
    /// It is refused: what is for a browser's cookie only is stated as a token.
    SessionAsToken,
}

/// Decides whose session a request may act with, before it goes anywhere.
pub fn admission(facts: &RequestFacts) -> Admission {
    let is_page_load = facts.route == RouteKind::PageLoad;
    let is_nobody = facts.is_behind_sso && facts.standing == Standing::Unidentified;
    let is_elsewhere = facts.is_foreign || (facts.is_of_another_origin && !is_page_load);
    // What a native or a hosted client brings instead of a cookie (contract §12).
    let is_explicit = facts.has_token || facts.ticket == Ticket::Exact;
    let is_by_cookie = facts.route == RouteKind::Upgrade && !is_explicit;
    if facts.is_behind_sso && facts.has_session_as_token {
        Admission::SessionAsToken
    } else if is_nobody && is_page_load && facts.is_page_path {
        Admission::Nobody
    } else if is_elsewhere && is_by_cookie {
        Admission::AnotherOrigin
    } else if is_nobody && is_by_cookie && facts.has_session {
        Admission::Nobody
    } else if is_nobody || is_elsewhere {
        Admission::WithoutSession
    } else {
        Admission::AsItIs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::policy::tests::every_combination;

    #[test]
    fn only_one_s_own_page_and_the_person_act_with_a_session() {
        use Admission::{AnotherOrigin, AsItIs, Nobody, SessionAsToken, WithoutSession};
        let mut counts = std::collections::HashMap::new();
        for facts in every_combination() {
            let is_nobody = facts.is_behind_sso && facts.standing == Standing::Unidentified;
            let is_link = facts.route == RouteKind::PageLoad && !facts.is_foreign;
            let is_elsewhere = (facts.is_foreign || facts.is_of_another_origin) && !is_link;
            let is_explicit = facts.has_token || facts.ticket == Ticket::Exact;
            let expected = match facts.route {
                _ if facts.is_behind_sso && facts.has_session_as_token => SessionAsToken,
                RouteKind::PageLoad if is_nobody && facts.is_page_path => Nobody,
                RouteKind::Upgrade if !is_explicit && is_elsewhere => AnotherOrigin,
                RouteKind::Upgrade if !is_explicit && is_nobody && facts.has_session => Nobody,
                _ if is_nobody || is_elsewhere => WithoutSession,
                _ => AsItIs,
            };
            assert_eq!(admission(&facts), expected, "{facts:?}");
            *counts.entry(expected as u8).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 5, "each of them is some request's");
    }
}
