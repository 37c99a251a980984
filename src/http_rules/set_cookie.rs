//! The cookies of an answer: what a line sets, and which are for https alone. Pure.

use cookie::Cookie;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::http_rules::cookies::name_and_value;

/// Name and value of the cookie that a `Set-Cookie` line sets, if a session could be in it.
pub fn cookie_set_by(line: &[u8]) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let cookie = Cookie::parse(line).ok()?;
    let (name, value) = cookie.name_value();
    let is_session = is_cookie_name(name) && !value.is_empty();
    is_session.then(|| (name.to_owned(), value.to_owned()))
}

/// Can a cookie be called so (RFC 6265 §4.1.1: a token)?
pub fn is_cookie_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    (1..=256).contains(&name.len()) && name.bytes().all(is_token)
}

/// Adds `Secure` to the `Set-Cookie` lines that set a cookie called `name` and lack it.
pub fn secure(headers: &mut HeaderMap, name: &str) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    for (_, line) in headers.iter_mut().filter(|(field, _)| *field == SET_COOKIE) {
        let secured = secured(line.as_bytes(), name);
        if let Some(Ok(secured)) = secured.map(|secured| HeaderValue::from_bytes(&secured)) {
            *line = secured;
        }
    }
}

/// The `Set-Cookie` line with `Secure` added, if it sets a cookie called `name` and lacks it.
pub fn secured(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let sets = name_and_value(line).is_some_and(|(key, _)| key == name.as_bytes());
    let mut attributes = line.split(|byte| *byte == b';').skip(1);
    let is_secure = attributes.any(|item| item.trim_ascii().eq_ignore_ascii_case(b"secure"));
    (sets && !is_secure).then(|| [line, b"; Secure"].concat())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::http_rules::header_policy::from_lines;

    #[test]
    fn a_set_cookie_line_is_read_as_a_browser_does() {
        for (line, expected) in [
            (
                &b"t3_session=e30.x; Path=/; HttpOnly; SameSite=Lax"[..],
                Some(("t3_session", "e30.x")),
            ),
            (b"t3_session_0a1b=v", Some(("t3_session_0a1b", "v"))),
            (b"t3_session=; Max-Age=0", None),
            (b"=v", None),
            (b"a b=v", None),
            (b"nonsense", None),
            (b"\xff=v", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(cookie_set_by(line), expected);
        }
    }

    #[test]
    fn only_the_session_is_made_secure_and_only_once() {
        let mut headers = from_lines(&[
            ("set-cookie", "s=1; Path=/; HttpOnly"),
            ("set-cookie", "other=1; Path=/"),
            ("set-cookie", "s=2;secure"),
        ]);
        secure(&mut headers, "s");
        let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(
            lines,
            [
                "s=1; Path=/; HttpOnly; Secure",
                "other=1; Path=/",
                "s=2;secure"
            ]
        );
    }
}
