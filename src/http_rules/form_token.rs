//! The token that a form of the dispatcher's own carries twice, in a cookie and in a field, so that no page of another
//! origin can send it (CSRF, CWE-352).

use cookie::Cookie;
use data_encoding::BASE64URL_NOPAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::http_rules::HeaderView;

/// How many random bytes it has.
const BYTES: usize = 32;

/// The random value of one browser's forms. Nothing of it is kept here: any process knows it by the browser's cookie.
#[derive(Clone, PartialEq, Eq)]
pub struct FormToken(String);

impl FormToken {
    /// A new one; none where the system has no random bytes.
    pub fn new() -> Option<Self> {
        let mut bytes = [0; BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(BASE64URL_NOPAD.encode(&bytes)))
    }

    /// The one in the cookie of a request with `headers`, which came by https if `is_https`; none where it is missing,
    /// repeated or of another form.
    pub fn of(headers: &HeaderMap, is_https: bool) -> Option<Self> {
        let lines = headers.lines(&COOKIE).map(str::from_utf8);
        let cookies = lines.flat_map(|line| Cookie::split_parse(line.unwrap_or_default()));
        let mut named = cookies.filter_map(|cookie| {
            let cookie = cookie.ok()?;
            (cookie.name() == name(is_https)).then(|| cookie.value().to_owned())
        });
        let (value, further) = (named.next()?, named.next());
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        (further.is_none() && bytes.len() == BYTES).then_some(Self(value))
    }

    /// Is it `sent`, what a form has in its field?
    pub fn is(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }

    /// Its text for the field of a form.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The `Set-Cookie` line that gives it to a browser at `path` alone, which is asked by https if `is_https`.
    pub fn set_cookie(&self, path: &str, is_https: bool) -> Option<HeaderValue> {
        let secure = match is_https {
            true => "; Secure",
            false => "",
        };
        let (name, value) = (name(is_https), &self.0);
        let line = format!("{name}={value}; Path={path}; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::try_from(line).ok()
    }
}

impl std::fmt::Debug for FormToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FormToken(…)")
    }
}

/// The cookie's name. Only https can set one with that prefix (RFC 6265bis §4.1.3.1).
fn name(is_https: bool) -> &'static str {
    match is_https {
        true => "__Secure-t3-dispatcher-form",
        false => "t3-dispatcher-form",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn a_token_comes_back_by_its_cookie_and_only_by_one_of_its_form() {
        let token = FormToken::new().expect("random bytes");
        let other = FormToken::new().expect("random bytes");
        assert_ne!(token, other);
        let text = token.text();
        for is_https in [false, true] {
            let name = name(is_https);
            for (cookies, expected) in [
                (vec![format!("{name}={text}")], true),
                (vec![format!("a=1; {name}={text}; b=2")], true),
                (vec!["a=1".to_owned(), format!("{name}={text}")], true),
                (vec![format!("{name}={}", other.text())], false),
                (vec![format!("{name}={text}; {name}={text}")], false),
                (vec![format!("{name}={text}"), format!("{name}=x")], false),
                (vec![format!("{name}=")], false),
                (vec![format!("{name}={}", &text[1..])], false),
                (vec![format!("x{name}={text}")], false),
                (vec![], false),
            ] {
                let lines: Vec<_> = cookies.iter().map(|line| ("cookie", &**line)).collect();
                let headers = from_lines(&lines);
                let held = FormToken::of(&headers, is_https);
                assert_eq!(
                    held.is_some_and(|held| held.is(text)),
                    expected,
                    "{cookies:?}"
                );
                let otherwise = FormToken::of(&headers, !is_https);
                assert_eq!(otherwise, None, "{cookies:?}");
            }
        }
    }

    #[test]
    fn the_cookie_stays_with_its_path_and_its_site() {
        let token = FormToken::new().expect("random bytes");
        let text = token.text();
        for (is_https, expected) in [
            (
                false,
                format!("t3-dispatcher-form={text}; Path=/p; HttpOnly; SameSite=Strict"),
            ),
            (
                true,
                format!(
                    "__Secure-t3-dispatcher-form={text}; Path=/p; HttpOnly; SameSite=Strict; Secure"
                ),
            ),
        ] {
            let line = token.set_cookie("/p", is_https).expect("a line");
            assert_eq!(line, expected);
        }
        assert!(!format!("{token:?}").contains(text));
    }
}
