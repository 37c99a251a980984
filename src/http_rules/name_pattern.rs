//! Names of fields and cookies as an operator lists them, some by their beginning. Pure.

use std::borrow::Cow;

use http::HeaderName;

use crate::http_rules::grammar::is_token;

/// A name, or with `*` at its end the beginning of names, of fields or cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    /// In lower case; that of a field with hyphens only.
    begin: Box<[u8]>,
    is_prefix: bool,
}

/// Fields that HTTP, t3 or a decision of the dispatcher's needs: none of them can be withheld.
const NEEDED_FIELDS: [&str; 39] = [
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "purpose",
    "range",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-purpose",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-t3-orchestration-protocol",
];

/// How the names of t3's session cookies begin (contract §2).
const SESSION_COOKIES: &[u8] = b"t3_session";

impl NamePattern {
    /// The field called `name` alone.
    pub fn of_field(name: &HeaderName) -> Self {
        Self {
            begin: canonical(name.as_str()).as_bytes().into(),
            is_prefix: false,
        }
    }

    /// Fields to withhold, as `X-Gate-User` or `X-Gate-*`.
    ///
    /// # Errors
    /// What is wrong: it is no name, or a field that it means is needed.
    pub fn read_fields(text: &str) -> Result<Self, String> {
        let pattern = Self::read(&canonical(text))?;
        let needed = NEEDED_FIELDS.iter();
        match { needed }.find(|name| pattern.is_field(name.as_bytes())) {
            Some(name) => Err(format!("`{name}` cannot be withheld: it is needed")),
            None => Ok(pattern),
        }
    }

    /// Cookies to withhold, as `gate_session` or `gate_*`.
    ///
    /// # Errors
    /// What is wrong: it is no name, or t3's session cookie may be meant.
    pub fn read_cookies(text: &str) -> Result<Self, String> {
        let pattern = Self::read(text)?;
        let is_beginning = pattern.is_prefix && SESSION_COOKIES.starts_with(&pattern.begin);
        if is_beginning || pattern.begin.starts_with(SESSION_COOKIES) {
            return Err("t3's session cookie cannot be withheld: it is needed".to_owned());
        }
        Ok(pattern)
    }

    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let begin = text.strip_suffix('*').unwrap_or(&text);
        if !is_token(begin.as_bytes()) || begin.contains('*') {
            return Err("a name is needed, or its beginning with `*` at the end".to_owned());
        }
        Ok(Self {
            begin: begin.as_bytes().into(),
            is_prefix: begin.len() < text.len(),
        })
    }

    /// Is the cookie called `name` meant, in whatever case?
    pub fn is_cookie(&self, name: &[u8]) -> bool {
        self.is(name, u8::eq_ignore_ascii_case)
    }

    /// Is the field called `name` meant, in whatever case, and with `_` or `.` for hyphens?
    pub fn is_field(&self, name: &[u8]) -> bool {
        self.is(name, |byte, held| match byte {
            b'_' | b'.' => *held == b'-',
            byte => byte.eq_ignore_ascii_case(held),
        })
    }

    fn is(&self, name: &[u8], is_same: impl Fn(&u8, &u8) -> bool) -> bool {
        let length = self.begin.len();
        let is_as_long = match self.is_prefix {
            true => name.len() >= length,
            false => name.len() == length,
        };
        is_as_long
            && name
                .iter()
                .zip(&*self.begin)
                .all(|(byte, held)| is_same(byte, held))
    }
}

/// `name` as a program may spell it that knows no hyphens: `X_Authentik_Username`,
/// `x.authentik.username` and `X-authentik-username` are one (CVE-2025-64484).
pub fn canonical(name: &str) -> Cow<'_, str> {
    match name.contains(['_', '.']) {
        true => Cow::Owned(name.replace(['_', '.'], "-")),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_name_or_those_that_begin_with_it() {
        for (text, fields, others) in [
            (
                "X-Gate-User",
                &["x-gate-user", "X_GATE.User"][..],
                &["x-gate-users", "x-gate"][..],
            ),
            (
                "x_gate-*",
                &["X-Gate-", "x-gate-user", "x.gate_id"],
                &["x-gate", "x-gates"],
            ),
            (" Gate ", &["gate"], &["xgate"]),
        ] {
            let pattern = NamePattern::read_fields(text).expect(text);
            for name in fields {
                assert!(pattern.is_field(name.as_bytes()), "{name} by {text}");
            }
            for name in others {
                assert!(!pattern.is_field(name.as_bytes()), "{name} by {text}");
            }
        }
        let pattern = NamePattern::read_cookies("Gate_*").expect("a pattern");
        assert!(pattern.is_cookie(b"gate_session"));
        assert!(!pattern.is_cookie(b"gate-session"), "an underscore is one");
    }

    #[test]
    fn what_is_needed_cannot_be_withheld() {
        for text in [
            "",
            "*",
            "x*y",
            "**",
            "x-gate-**",
            "x gate",
            "x:",
            "Host",
            "cookie",
            "AUTHORIZATION",
            "Upgrade",
            "sec-*",
            "Sec_WebSocket_Key",
            "x-*",
            "x-forwarded-*",
            "X-Request-Id",
            "c*",
            "DPoP",
        ] {
            assert!(NamePattern::read_fields(text).is_err(), "{text}");
        }
        for text in [
            "",
            "*",
            "t3_session",
            "T3_Session",
            "t3_session_x",
            "t3_*",
            "t*",
            "a=b",
            "a b",
        ] {
            assert!(NamePattern::read_cookies(text).is_err(), "{text}");
        }
        for text in [
            "t3_sess",
            "t3_sessions_of_others",
            "session",
            "s*",
            "__Host-gate",
        ] {
            let is_t3_s = text.starts_with("t3_session");
            assert_eq!(NamePattern::read_cookies(text).is_err(), is_t3_s, "{text}");
        }
    }
}
