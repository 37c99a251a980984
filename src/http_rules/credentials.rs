//! The credentials that a request brings besides cookies: tokens, and WebSocket tickets in its query. Pure.

use data_encoding::BASE64URL_NOPAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::http_rules::HeaderView;
use crate::http_rules::grammar::ByteSet;

/// The proof of a token that is bound to a key (RFC 9449 §4).
pub(super) static DPOP: HeaderName = HeaderName::from_static("dpop");

/// The characters of a token: two parts in base64url with a dot between (contract §4).
pub(super) static TOKEN: ByteSet = ByteSet::alphanumeric_and(b"-_.");

/// The characters of a ticket as t3's clients write it (contract §4): none that a query may hide or
/// encode.
static TICKET: ByteSet = ByteSet::alphanumeric_and(b"-._~");

/// The names of a ticket's parameter, of today's t3 and of v0.0.24 (contract §5, §8), in lower case.
const TICKET_NAMES: [&str; 2] = ["wsticket", "wstoken"];

/// What the query of a request says of a WebSocket ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticket {
    /// No parameter has a ticket's name in any spelling.
    Absent,
    /// Some parameter has a ticket's name in some spelling, but t3 may decide by the cookie.
    Doubtful,
    /// Exactly one parameter, and that exactly `wsTicket` with a value: t3 decides by it, whatever
    /// cookie is beside it (contract §5).
    Exact,
}

impl Ticket {
    /// The ticket of `query`, as it stands in the target.
    pub fn of(query: &str) -> Self {
        Self::read(query).0
    }

    /// The value of the ticket of `query` if that is [`Self::Exact`].
    pub fn exact(query: &str) -> Option<&str> {
        Self::read(query).1
    }

    fn read(query: &str) -> (Self, Option<&str>) {
        let pairs = query.split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut tickets = pairs.filter(|(name, _)| is_ticket_name(name));
        match (tickets.next(), tickets.next()) {
            (None, _) => (Self::Absent, None),
            (Some(("wsTicket", value)), None) if is_ticket(value) => (Self::Exact, Some(value)),
            _ => (Self::Doubtful, None),
        }
    }
}

/// Does it state a token or the proof of one? Such a request speaks for itself.
pub fn are_stated(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(&DPOP)
}

/// Does it state a token of t3's, by a scheme that t3 accepts (contract §3)?
pub fn has_token(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    lines.any(|line| {
        let (scheme, token) = scheme_and_rest(line.as_bytes());
        let is_accepted = scheme.eq_ignore_ascii_case(b"bearer") || is_dpop(scheme);
        is_accepted && !token.is_empty()
    })
}

/// The token that it states in `Authorization`, by whatever scheme.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = scheme_and_rest(headers.get(AUTHORIZATION)?.as_bytes());
    str::from_utf8(token).ok()
}

/// The `Authorization` by which t3 can be asked again about the session of a request. A token that is
/// bound to a key needs a proof by DPoP, which is good for one request (contract §10); a `DPoP` field
/// beside another token changes nothing.
pub fn repeatable(headers: &HeaderMap) -> Option<&HeaderValue> {
    let line = headers.get(AUTHORIZATION)?;
    let (scheme, token) = scheme_and_rest(line.as_bytes());
    let is_bound = is_dpop(scheme) || is_made_by(token, "dpop-access-token");
    (!is_bound).then_some(line)
}

/// Does it state a browser's session, the value of t3's session cookie, as a token? t3 accepts it
/// (contract §3).
pub fn has_session_as_token(header: &(impl HeaderView + ?Sized)) -> bool {
    header.lines(&AUTHORIZATION).any(states_browser_session)
}

/// Is a browser's session in `line`, the value of an `Authorization`, by whatever scheme?
fn states_browser_session(line: &[u8]) -> bool {
    let mut words = line.split(|byte| !TOKEN.contains_all(&[*byte]));
    words.any(|token| is_made_by(token, "browser-session-cookie"))
}

/// Do the claims of `token` say that its session is of `method` (contract §4)? Whether it is genuine, t3
/// knows.
fn is_made_by(token: &[u8], method: &str) -> bool {
    claims_of(token).is_some_and(|claims| claims["method"] == method)
}

/// The claims of `token`, before its signature (contract §4); none of what is no token of t3's.
pub(super) fn claims_of(token: &[u8]) -> Option<Value> {
    let dot = token.iter().position(|byte| *byte == b'.')?;
    let claims = BASE64URL_NOPAD.decode(&token[..dot]).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// The scheme of an `Authorization`, and what follows it.
pub(super) fn scheme_and_rest(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(u8::is_ascii_whitespace);
    let (scheme, rest) = line.split_at(end.unwrap_or(line.len()));
    (scheme, rest.trim_ascii())
}

fn is_dpop(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"dpop")
}

/// Does the name of a parameter say that it is a ticket, once it is decoded, in whatever case?
fn is_ticket_name(name: &str) -> bool {
    let name = form_decoded(name).to_ascii_lowercase();
    let has = |ticket: &str| {
        name.windows(ticket.len())
            .any(|part| part == ticket.as_bytes())
    };
    TICKET_NAMES.into_iter().any(has)
}

fn is_ticket(value: &str) -> bool {
    !value.is_empty() && TICKET.contains_all(value.as_bytes())
}

/// `text` without percent-encoding, and with a space for each `+` (application/x-www-form-urlencoded).
fn form_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.first_chunk().filter(|_| *first == b'%');
        match escaped.and_then(hex) {
            Some(byte) => {
                decoded.push(byte);
                rest = &behind[2..];
            }
            None => {
                decoded.push(if *first == b'+' { b' ' } else { *first });
                rest = behind;
            }
        }
    }
    decoded
}

fn hex(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = digits.map(digit);
    u8::try_from(high? * 16 + low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_ticket_is_one_only_in_its_own_spelling() {
        use Ticket::{Absent, Doubtful, Exact};
        for (query, expected) in [
            ("", Absent),
            ("ticket=x", Absent),
            ("x=wsTicket=1", Absent),
            ("x=1;wsTicket=1", Absent),
            ("x=%26wsTicket=1", Absent),
            ("wsTicket=a-Z_0.b~", Exact),
            ("a=b&wsTicket=x&c=d", Exact),
            ("wsTicket", Doubtful),
            ("wsTicket=", Doubtful),
            ("wsTicket=+", Doubtful),
            ("wsTicket=%20", Doubtful),
            ("wsTicket=%EF%BB%BF", Doubtful),
            ("wsTicket=x&wsTicket=x", Doubtful),
            ("wsTicket=x&wsTicket=", Doubtful),
            ("wsTicket=x&wstoken", Doubtful),
            ("wsToken=x", Doubtful),
            ("wsticket=x", Doubtful),
            ("WSTICKET=x", Doubtful),
            ("ws%54icket=x", Doubtful),
            ("%77%73%74%69%63%6b%65%74=x", Doubtful),
            ("wsTicket%00=x", Doubtful),
            ("+wsTicket=x", Doubtful),
            ("wsTicket[]=x", Doubtful),
            ("ws%2554icket=x", Absent),
            ("wsTicke%7=x", Absent),
            ("wsTicke%", Absent),
        ] {
            assert_eq!(Ticket::of(query), expected, "{query}");
            assert_eq!(Ticket::exact(query).is_some(), expected == Exact, "{query}");
        }
    }

    #[test]
    fn a_browser_s_session_is_known_by_its_claims() {
        let token = |claims: &str| format!("{}.bWFj", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let session = token(r#"{"v":1,"kind":"session","method":"browser-session-cookie"}"#);
        for line in [
            format!("Bearer {session}"),
            format!("bearer  {session} "),
            format!("BEARER\t{session}"),
            format!("DPoP {session}"),
            format!("Bearer \"{session}\""),
            format!("Bearer x, Bearer {session}"),
            session.clone(),
        ] {
            assert!(states_browser_session(line.as_bytes()), "{line}");
        }
        assert!(states_browser_session(
            &[b"Bearer\xa0", session.as_bytes()].concat()
        ));
        for other in [
            String::new(),
            "Bearer x".to_owned(),
            "Bearer a.b.c".to_owned(),
            format!("Bearer {}", token(r#"{"method":"bearer-access-token"}"#)),
            format!("Bearer {}", token(r#"{"a":"browser-session-cookie"}"#)),
            format!("Bearer {}", token("[]")),
            "Basic YnJvd3Nlci1zZXNzaW9uLWNvb2tpZQ==".to_owned(),
        ] {
            assert!(!states_browser_session(other.as_bytes()), "{other}");
        }
        let lines = [("authorization", "Bearer x"), ("authorization", &*session)];
        assert!(has_session_as_token(&from_lines(&lines)));
    }

    /// The claims `{"method":"dpop-access-token"}`.
    const BOUND: &str = "Bearer eyJtZXRob2QiOiJkcG9wLWFjY2Vzcy10b2tlbiJ9.bWFj";

    #[test]
    fn a_token_is_told_from_other_credentials() {
        for (lines, stated, token, repeatable_is) in [
            (vec![], false, false, false),
            (vec![("authorization", "Bearer x")], true, true, true),
            (vec![("authorization", "bEARER  x")], true, true, true),
            (vec![("authorization", "DPoP x")], true, true, false),
            (vec![("authorization", "Bearer\tx")], true, true, true),
            (vec![("authorization", "Basic x")], true, false, true),
            (vec![("authorization", "Bearer")], true, false, true),
            (vec![("authorization", "Bearer ")], true, false, true),
            (vec![("authorization", "")], true, false, true),
            (vec![("dpop", "x")], true, false, false),
            (
                vec![("authorization", "Bearer x"), ("dpop", "x")],
                true,
                true,
                true,
            ),
            (vec![("authorization", BOUND)], true, true, false),
            (
                vec![("authorization", "Basic x"), ("authorization", "Bearer x")],
                true,
                true,
                true,
            ),
        ] {
            let headers = from_lines(&lines);
            assert_eq!(are_stated(&headers), stated, "{lines:?}");
            assert_eq!(has_token(&headers), token, "{lines:?}");
            assert_eq!(repeatable(&headers).is_some(), repeatable_is, "{lines:?}");
        }
    }
}
