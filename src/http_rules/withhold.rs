//! What t3 is not to see, taken off a request's `HeaderMap`: hyper's way. Pure.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};

use crate::http_rules::cookies;
use crate::http_rules::gates::GateCredentials;
use crate::http_rules::header_map::retain;
use crate::http_rules::header_policy::{Field, HeaderPolicy};

/// Removes from a request what t3 is not to see by `policy`: withheld fields and cookies, lookalikes,
/// `Set-Cookie`, and forwarded fields of a peer that is not trusted.
pub fn withhold(headers: &mut HeaderMap, policy: &HeaderPolicy, is_trusted: bool) {
    retain(headers, |name| {
        let field = policy.field(name.as_str().as_bytes());
        match field {
            Field::Withheld | Field::Lookalike | Field::SetCookie => false,
            field if field.is_forwarded() => is_trusted,
            _ => true,
        }
    });
    withhold_cookies(headers, policy);
}

/// Removes the cookies that `policy` withholds. The others stay byte for byte.
pub fn withhold_cookies(headers: &mut HeaderMap, policy: &HeaderPolicy) {
    edit_lines(headers, &COOKIE, |line| {
        let rest = cookies::without(line, |name| policy.is_cookie_withheld(name))?;
        Some((!rest.is_empty()).then_some(rest))
    });
}

/// Removes every cookie by which t3 may know a session, `learned` being the name that it has advertised.
pub fn take_session_off(headers: &mut HeaderMap, learned: &str) {
    edit_lines(headers, &COOKIE, |line| {
        let rest = cookies::without(line, |name| cookies::is_session_name(name, learned))?;
        Some((!rest.is_empty()).then_some(rest))
    });
}

/// Removes the cookies by which another version of t3 would know a session, and not by `learned`.
pub fn take_other_sessions_off(headers: &mut HeaderMap, learned: &str) {
    let is_other =
        |name: &[u8]| name != learned.as_bytes() && cookies::is_session_name(name, learned);
    edit_lines(headers, &COOKIE, |line| {
        let rest = cookies::without(line, is_other)?;
        Some((!rest.is_empty()).then_some(rest))
    });
}

/// Removes the lines of `Authorization` that are the gate's own.
pub fn withhold_credentials(headers: &mut HeaderMap, gate: GateCredentials) {
    edit_lines(headers, &AUTHORIZATION, |line| {
        gate.include(line).then_some(None)
    });
}

/// Changes lines of `name`: `edit` gives nothing for a line that stays, and what is left of another.
fn edit_lines(
    headers: &mut HeaderMap,
    name: &HeaderName,
    edit: impl Fn(&[u8]) -> Option<Option<Vec<u8>>>,
) {
    let lines: Vec<_> = headers.get_all(name).iter().cloned().collect();
    if lines.iter().all(|line| edit(line.as_bytes()).is_none()) {
        return;
    }
    let kept = lines
        .into_iter()
        .filter_map(|line| match edit(line.as_bytes()) {
            None => Some(line),
            Some(rest) => HeaderValue::from_bytes(&rest?).ok(),
        });
    let kept: Vec<_> = kept.collect();
    let mut kept = kept.into_iter();
    match kept.next() {
        Some(first) => drop(headers.insert(name, first)),
        // `HeaderMap::remove` would move the last field into the gap.
        None => retain(headers, |held| held != name),
    }
    for line in kept {
        headers.append(name, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("a test's value")))
            .collect()
    }

    #[test]
    fn what_t3_is_not_to_see_is_withheld_and_the_order_of_the_rest_stays() {
        let identity = HeaderName::from_static("remote-user");
        let mut headers = from_lines(&[
            ("a", "1"),
            ("x-authentik-username", "alice"),
            ("remote_user", "alice"),
            ("x-dispatcher-secret", "s"),
            ("set-cookie", "authentik_session=x"),
            ("forwarded", "for=192.0.2.1"),
            ("cookie", "authentik_session=x; b=2"),
            ("x-forwarded-proto", "https"),
            ("b", "2"),
        ]);
        let policy = HeaderPolicy::new(Some(&identity));
        withhold(&mut headers, &policy, true);
        let trusted = [
            ("a", "1"),
            ("cookie", "b=2"),
            ("x-forwarded-proto", "https"),
            ("b", "2"),
        ];
        assert_eq!(lines(&headers), trusted);
        withhold(&mut headers, &policy, false);
        assert_eq!(lines(&headers), [("a", "1"), ("cookie", "b=2"), ("b", "2")]);
    }

    #[test]
    fn a_gate_s_credential_goes_and_the_others_stay() {
        let sent = [
            ("a", "1"),
            ("authorization", "Basic x"),
            ("authorization", "Bearer a.b.c"),
            ("b", "2"),
        ];
        for (gate, kept) in [
            (GateCredentials::None, &sent[..]),
            (GateCredentials::Basic, &[sent[0], sent[2], sent[3]]),
            (GateCredentials::BasicAndJwt, &[sent[0], sent[3]]),
        ] {
            let mut headers = from_lines(&sent);
            withhold_credentials(&mut headers, gate);
            assert_eq!(lines(&headers), kept, "{gate:?}");
        }
    }

    #[test]
    fn withheld_cookies_go_and_the_rest_stays_byte_for_byte() {
        for (lines, expected) in [
            (vec!["a=1;  b=\"2 3\" ;c"], vec!["a=1;  b=\"2 3\" ;c"]),
            (vec!["a=1; authentik_session=x; b=2"], vec!["a=1; b=2"]),
            (vec!["authentik_csrf=x; a=1"], vec!["a=1"]),
            (vec!["Authentik_proxy_1=x"], vec![]),
            (
                vec!["authentik_a=x", "b=2;authentik_c;d=4"],
                vec!["b=2;d=4"],
            ),
            (vec!["not_authentik_a=x"], vec!["not_authentik_a=x"]),
            (vec!["a=authentik_a=x;b"], vec!["a=authentik_a=x;b"]),
            (
                vec!["CF_Authorization =x ;CF_Authorization2=y"],
                vec!["CF_Authorization2=y"],
            ),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let mut headers = from_lines(&lines);
            withhold_cookies(&mut headers, &HeaderPolicy::default());
            let kept: Vec<_> = headers.get_all(COOKIE).iter().collect();
            assert_eq!(kept, expected, "{lines:?}");
        }
    }
}
