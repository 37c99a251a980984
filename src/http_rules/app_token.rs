//! The token of an app in `Authorization`, by its form alone: whether it is genuine, t3 knows. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::http_rules::credentials::{DPOP, TOKEN, claims_of, scheme_and_rest};

/// The longest token: t3 accepts a head of 16 KiB (contract §7), and its tokens have some 500 characters.
const MAX_TOKEN_BYTES: usize = 4096;

/// What a request shows as the token of an app's session.
#[derive(Debug, PartialEq, Eq)]
pub enum AppToken<'a> {
    /// No `Authorization`.
    Absent,
    /// A token for whoever has it, and the field that it is in.
    Bearer(&'a str, &'a HeaderValue),
    /// A token that is bound to a key, with the proof of it (RFC 9449 §4), which is good for one request: t3 alone can
    /// verify it.
    Bound,
    /// Anything else: no token of t3's, one that has expired, a browser's session, several.
    Unusable,
}

impl<'a> AppToken<'a> {
    /// What `headers` show at the time `now`.
    pub fn of(headers: &'a HeaderMap, now: SystemTime) -> Self {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let line = match (lines.next(), lines.next()) {
            (None, _) => return Self::Absent,
            (Some(line), None) => line,
            (Some(_), Some(_)) => return Self::Unusable,
        };
        let (scheme, token) = scheme_and_rest(line.as_bytes());
        let method = session_method(token, now);
        match (scheme.to_ascii_lowercase().as_slice(), method.as_deref()) {
            (b"bearer", Some("bearer-access-token")) => match str::from_utf8(token) {
                Ok(token) => Self::Bearer(token, line),
                Err(_) => Self::Unusable,
            },
            (b"dpop", Some("dpop-access-token")) if headers.contains_key(&DPOP) => Self::Bound,
            _ => Self::Unusable,
        }
    }
}

/// How the session of `token` was made, by its claims (contract §4); none of what is no session's, or of one that has
/// expired.
fn session_method(token: &[u8], now: SystemTime) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES || !TOKEN.contains_all(token) {
        return None;
    }
    let claims = claims_of(token)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_over = claims["exp"]
        .as_u64()
        .is_some_and(|end| u128::from(end) <= now.as_millis());
    let is_session = claims["kind"] == "session" && claims["sid"].is_string();
    let method = claims["method"].as_str();
    method.filter(|_| is_session && !is_over).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use data_encoding::BASE64URL_NOPAD;

    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn token(claims: &str) -> String {
        format!("{}.bWFj", BASE64URL_NOPAD.encode(claims.as_bytes()))
    }

    fn of(method: &str) -> String {
        token(&format!(
            r#"{{"v":1,"kind":"session","sid":"a","method":"{method}","exp":5000}}"#
        ))
    }

    #[test]
    fn an_app_shows_one_token_of_its_own_kind() {
        let now = UNIX_EPOCH + Duration::from_secs(4);
        let (bearer, bound) = (of("bearer-access-token"), of("dpop-access-token"));
        let browser = of("browser-session-cookie");
        let shown = |lines: &[(&str, &str)]| match AppToken::of(&from_lines(lines), now) {
            AppToken::Absent => "absent",
            AppToken::Bearer(shown, line) => {
                assert_eq!(shown, bearer);
                assert!(line.as_bytes().ends_with(bearer.as_bytes()));
                "bearer"
            }
            AppToken::Bound => "bound",
            AppToken::Unusable => "unusable",
        };
        assert_eq!(shown(&[]), "absent");
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(
                shown(&[("authorization", &format!("{scheme} {bearer}"))]),
                "bearer"
            );
        }
        let dpop = [
            ("authorization", &*format!("DPoP {bound}")),
            ("dpop", "a.b.c"),
        ];
        assert_eq!(shown(&dpop), "bound");
        assert_eq!(shown(&dpop[..1]), "unusable");
        for value in [
            String::new(),
            bearer.clone(),
            "Bearer".to_owned(),
            "Bearer x".to_owned(),
            "Bearer a.b.c".to_owned(),
            format!("Bearer {browser}"),
            format!("Bearer {bound}"),
            format!("DPoP {bearer}"),
            format!("Basic {bearer}"),
            format!("Bearer {bearer}, Bearer {bearer}"),
            format!("Bearer \"{bearer}\""),
            format!("Bearer {bearer}{}", "c".repeat(MAX_TOKEN_BYTES)),
            format!(
                "Bearer {}",
                token(r#"{"kind":"websocket","sid":"a","method":"bearer-access-token"}"#)
            ),
            format!(
                "Bearer {}",
                token(r#"{"kind":"session","method":"bearer-access-token"}"#)
            ),
        ] {
            assert_eq!(shown(&[("authorization", &value)]), "unusable", "{value}");
        }
        let twice = format!("Bearer {bearer}");
        assert_eq!(
            shown(&[("authorization", &twice), ("authorization", &twice)]),
            "unusable"
        );
        let late = now + Duration::from_secs(1);
        let headers = from_lines(&[("authorization", &twice)]);
        assert_eq!(AppToken::of(&headers, late), AppToken::Unusable);
    }
}
