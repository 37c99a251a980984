//! The pairing policy: which request gets a t3 session, which is healed, which upgrade is refused. Pure.
//!
//! | request | condition | decision |
//! |---|---|---|
//! | page load, at a page's path | no session or a dead one, and the visitor is allowed | pair |
//! | page load, at a page's path | no session or a dead one, and the visitor is unidentified | forward |
//! | page load, at a page's path | its session is alive | forward |
//! | upgrade, session query | t3 refused it; own page, allowed, no token, no ticket in any spelling | heal |
//! | any other | | forward |
//!
//! Before that, [`admission`](crate::pairing::admission) has decided whose session the request may act
//! with.
//!
//! A page's path is none that an operator lets past single sign-on (`paths::is_page_path`): there
//! nobody overwrites what a client says of itself.

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::access::identity::Browser;
use crate::access::visitor::{Standing, Visitor};
use crate::http_rules::credentials::Ticket;
use crate::http_rules::{browser_request, credentials, origin, paths};

/// What the policy's decisions depend on.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts {
    /// What is asked for.
    pub route: RouteKind,
    /// What the visitor may have.
    pub standing: Standing,
    /// A person may open a page at its path.
    pub is_page_path: bool,
    /// It states a token or the proof of one, which no session may stand in for.
    pub states_credentials: bool,
    /// It states a token by a scheme that t3 accepts.
    pub has_token: bool,
    /// It states the value of t3's session cookie as a token.
    pub has_session_as_token: bool,
    /// The WebSocket ticket of its query.
    pub ticket: Ticket,
    /// It has an `Origin` that does not name the origin that was asked.
    pub is_foreign: bool,
    /// Its browser says that a page of another origin sent it.
    pub is_of_another_origin: bool,
    /// A script of this origin's own page sent it: `Origin` and `Sec-Fetch-*` agree on that.
    pub is_of_own_script: bool,
    /// It has a session cookie.
    pub has_session: bool,
    /// What t3 says of its session, or of the request as a whole.
    pub liveness: Liveness,
    /// An identity is required: single sign-on states it, which lets a browser's requests through by a
    /// cookie of its own.
    pub is_behind_sso: bool,
}

/// The kinds of request that the policy tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// The load of a page by a person's browser.
    PageLoad,
    /// `GET /api/auth/session` by a script of this origin's own page.
    SessionQuery,
    /// An upgrade to a WebSocket.
    Upgrade,
    /// Anything else.
    Other,
}

/// What t3 says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// t3 has not been asked.
    Unknown,
    /// t3 accepts it, or says nothing definite.
    Alive,
    /// t3 definitely does not accept it.
    Dead,
}

/// The decision about a page load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingDecision {
    /// It gets a session.
    Pair,
    /// t3 has to be asked whether its session is alive; then the policy decides again.
    AskLiveness,
    /// It is forwarded with the session that it has.
    KeepSession,
    /// It is forwarded: the visitor is unknown.
    Unidentified,
    /// It is forwarded: no request of this kind is paired.
    NotPaired,
}

impl RequestFacts {
    /// The facts of the request with `head`, before t3 is asked about its session.
    pub fn of(
        route: RouteKind,
        head: &Parts,
        visitor: &Visitor,
        has_session: bool,
        is_behind_sso: bool,
    ) -> Self {
        let (headers, is_proxied) = (&head.headers, visitor.is_proxied);
        Self {
            route,
            standing: visitor.standing,
            is_page_path: paths::is_page_path(head.uri.path()),
            states_credentials: credentials::are_stated(headers),
            has_token: credentials::has_token(headers),
            has_session_as_token: credentials::has_session_as_token(headers),
            ticket: Ticket::of(head.uri.query().unwrap_or_default()),
            is_foreign: headers.contains_key(ORIGIN)
                && !browser_request::origin_is_own(headers, is_proxied),
            is_of_another_origin: origin::is_of_another_origin(headers),
            is_of_own_script: match route {
                RouteKind::SessionQuery => browser_request::is_own_fetch(headers, is_proxied),
                RouteKind::Upgrade => browser_request::is_own_upgrade(headers, is_proxied),
                RouteKind::PageLoad | RouteKind::Other => false,
            },
            has_session,
            liveness: Liveness::Unknown,
            is_behind_sso,
        }
    }
}

/// Which kind of request it is that does not ask for a WebSocket.
pub fn route_kind(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    has_body: bool,
    is_proxied: bool,
) -> RouteKind {
    if browser_request::is_page_load(method, headers) {
        return RouteKind::PageLoad;
    }
    let is_query = path == "/api/auth/session" && method == Method::GET && !has_body;
    match is_query && browser_request::is_own_fetch(headers, is_proxied) {
        true => RouteKind::SessionQuery,
        false => RouteKind::Other,
    }
}

/// Whether a page load is paired.
pub fn pairing_decision(facts: &RequestFacts) -> PairingDecision {
    let is_page = facts.route == RouteKind::PageLoad && facts.is_page_path;
    // A navigation by a link has no `Origin` (Fetch standard, "append a request `Origin` header").
    let may_be_paired = is_page && !facts.states_credentials && !facts.is_foreign;
    match (facts.standing, facts.has_session, facts.liveness) {
        _ if !may_be_paired => PairingDecision::NotPaired,
        (Standing::Denied, ..) => PairingDecision::NotPaired,
        (_, true, Liveness::Unknown) => PairingDecision::AskLiveness,
        (_, true, Liveness::Alive) => PairingDecision::KeepSession,
        (Standing::Allowed, ..) => PairingDecision::Pair,
        (Standing::Unidentified, ..) => PairingDecision::Unidentified,
    }
}

/// Does an upgrade or a session query that t3 refused get a new session? Only where a page of this
/// origin sent it: no other site may cause a session to be made, and t3 itself checks no origin.
pub fn is_healed(facts: &RequestFacts) -> bool {
    matches!(facts.route, RouteKind::Upgrade | RouteKind::SessionQuery)
        && facts.liveness == Liveness::Dead
        && facts.standing == Standing::Allowed
        && facts.is_of_own_script
        && !facts.states_credentials
        && facts.ticket == Ticket::Absent
}

/// May tabs of this browser share one session? Without an identity two people behind one address
/// look alike.
pub fn may_share_session(browser: &Browser) -> bool {
    browser.identity.is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    const ROUTES: [RouteKind; 4] = [
        RouteKind::PageLoad,
        RouteKind::SessionQuery,
        RouteKind::Upgrade,
        RouteKind::Other,
    ];
    const STANDINGS: [Standing; 3] = [Standing::Allowed, Standing::Unidentified, Standing::Denied];
    const LIVENESS: [Liveness; 3] = [Liveness::Unknown, Liveness::Alive, Liveness::Dead];
    const TICKETS: [Ticket; 3] = [Ticket::Absent, Ticket::Doubtful, Ticket::Exact];

    /// Every combination of facts, also those that no request has.
    pub(in super::super) fn every_combination() -> impl Iterator<Item = RequestFacts> {
        (0..4 * 3 * 3 * 3 * 512_usize).map(|number| {
            let (flags, rest) = (number % 512, number / 512);
            let is_set = |bit: u32| flags >> bit & 1 == 1;
            RequestFacts {
                route: ROUTES[rest % 4],
                standing: STANDINGS[rest / 4 % 3],
                liveness: LIVENESS[rest / 12 % 3],
                ticket: TICKETS[rest / 36],
                is_page_path: is_set(0),
                states_credentials: is_set(1),
                is_foreign: is_set(2),
                is_of_own_script: is_set(3),
                has_session: is_set(4),
                is_behind_sso: is_set(5),
                has_token: is_set(6),
                has_session_as_token: is_set(7),
                is_of_another_origin: is_set(8),
            }
        })
    }

    #[test]
    fn a_page_load_is_paired_by_its_session_and_the_visitor_s_standing_and_by_nothing_else() {
        use PairingDecision::{AskLiveness, KeepSession, NotPaired, Pair, Unidentified};
        let mut paired = 0;
        for facts in every_combination() {
            let is_page = facts.route == RouteKind::PageLoad && facts.is_page_path;
            let is_page = is_page && !facts.states_credentials && !facts.is_foreign;
            let session = facts.has_session.then_some(facts.liveness);
            let expected = match (facts.standing, session) {
                (Standing::Denied, _) => NotPaired,
                _ if !is_page => NotPaired,
                (_, Some(Liveness::Unknown)) => AskLiveness,
                (_, Some(Liveness::Alive)) => KeepSession,
                (Standing::Allowed, None | Some(Liveness::Dead)) => Pair,
                (Standing::Unidentified, None | Some(Liveness::Dead)) => Unidentified,
            };
            assert_eq!(pairing_decision(&facts), expected, "{facts:?}");
            paired += usize::from(expected == Pair);
        }
        // Without a session or with a dead one, whatever the ticket and the five other facts are.
        assert_eq!(paired, (3 + 1) * 3 * 32);
    }

    #[test]
    fn each_condition_of_healing_is_needed_and_no_other() {
        let mut healed = 0;
        for facts in every_combination().filter(is_healed) {
            healed += 1;
            let is_refused = facts.liveness == Liveness::Dead && facts.ticket == Ticket::Absent;
            assert!(is_refused && facts.is_of_own_script, "{facts:?}");
            assert!(!facts.states_credentials, "{facts:?}");
            assert_eq!(facts.standing, Standing::Allowed, "{facts:?}");
            let is_script_s = [RouteKind::Upgrade, RouteKind::SessionQuery].contains(&facts.route);
            assert!(is_script_s, "{facts:?}");
        }
        // An upgrade and a query, whatever the seven other facts are.
        assert_eq!(healed, 2 * 128);
    }

    #[test]
    fn the_facts_are_those_of_the_head() {
        let facts = |uri: &str, fields: &[(&'static str, &str)]| {
            let mut head = http::Request::new(()).into_parts().0;
            head.uri = uri.parse().expect("a target");
            head.headers = from_lines(&[&[("host", "t3.test")], fields].concat());
            let visitor = Visitor {
                browser: Browser {
                    identity: None,
                    rights: Default::default(),
                    user_agent: None,
                    address: [127, 0, 0, 1].into(),
                },
                standing: Standing::Allowed,
                is_proxied: true,
                is_https: false,
                groups: None,
            };
            RequestFacts::of(RouteKind::Upgrade, &head, &visitor, true, false)
        };
        let own = ("origin", "http://t3.test");
        let elsewhere = ("sec-fetch-site", "cross-site");
        let bare = facts("/ws?ticket=x", &[]);
        assert!(!bare.states_credentials && !bare.is_of_own_script && !bare.is_page_path);
        assert!(facts("/t/1?wsTicket=x", &[]).is_page_path);
        assert_eq!(bare.ticket, Ticket::Absent);
        assert_eq!(facts("/ws?a=b&wsTicket=x", &[]).ticket, Ticket::Exact);
        assert_eq!(facts("/ws?wsToken=x", &[]).ticket, Ticket::Doubtful);
        assert!(facts("/ws", &[("authorization", "x")]).states_credentials);
        assert!(facts("/ws", &[("dpop", "x")]).states_credentials);
        assert!(facts("/ws", &[("authorization", "Bearer x")]).has_token);
        assert!(facts("/ws", &[elsewhere]).is_of_another_origin && !bare.is_of_another_origin);
        assert!(facts("/ws", &[own]).is_of_own_script);
        assert!(!facts("/ws", &[own, elsewhere]).is_of_own_script);
        assert!(!bare.is_foreign && !facts("/ws", &[own]).is_foreign);
        assert!(facts("/ws", &[("origin", "null")]).is_foreign);
        let elsewhere = ("origin", "http://pub.test");
        assert!(facts("/ws", &[elsewhere]).is_foreign);
        assert!(!facts("/ws", &[elsewhere, ("x-forwarded-host", "pub.test")]).is_foreign);
        assert!(facts("/ws", &[own, own]).is_foreign);
    }
}
