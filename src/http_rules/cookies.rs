//! Cookies: which one of a request is the session, which never reach t3, and what a response sets. Pure.

use cookie::Cookie;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use memchr::{memchr, memchr_iter, memchr2};

/// The session cookie's name until t3 has advertised another (contract §2).
pub const DEFAULT_COOKIE_NAME: &str = "t3_session";

/// How the names of t3's session cookies begin, whatever its version, mode and port (contract §2), and
/// of the one for its development (contract §1).
const SESSION_PREFIXES: [&str; 2] = ["t3_session", "t3_dev_session"];

/// The value of the first cookie called `name`, which is the one that t3 uses (contract §3). An empty
/// value is none.
pub fn session_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(name_and_value)
        .find(|(key, _)| *key == name.as_bytes())
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

/// The cookies of a `Cookie` line by which t3 may know a session, as name and value; `learned` is the
/// name that it has advertised.
pub fn sessions_in<'a>(
    line: &'a [u8],
    learned: &str,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let mut rest = Some(line);
    let pairs = std::iter::from_fn(move || {
        let from_here = rest?;
        let end = memchr(b';', from_here);
        rest = end.map(|end| &from_here[end + 1..]);
        Some(&from_here[..end.unwrap_or(from_here.len())])
    });
    pairs.filter_map(move |pair| {
        let is_one = is_session_name(name_at_start(pair), learned);
        is_one.then(|| name_and_value(pair)).flatten()
    })
}

/// Has a request a cookie by which t3 may know a session?
pub fn has_session(headers: &HeaderMap, learned: &str) -> bool {
    let mut lines = headers.get_all(COOKIE).iter();
    lines.any(|line| sessions_in(line.as_bytes(), learned).next().is_some())
}

/// The values of a request's cookies called `name`, in their order.
pub fn session_values(headers: &HeaderMap, name: &str) -> Vec<Box<[u8]>> {
    let lines = headers.get_all(COOKIE).iter();
    let sessions = lines.flat_map(|line| sessions_in(line.as_bytes(), name));
    let named = sessions.filter(|(key, _)| *key == name.as_bytes());
    named.map(|(_, value)| value.into()).collect()
}

/// Replaces every cookie called `name` by one with `value`; the others stay byte for byte, in one line.
pub fn replace_session_cookie(headers: &mut HeaderMap, name: &str, value: impl AsRef<[u8]>) {
    let mut line = Vec::new();
    for pair in headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
    {
        let is_session = name_and_value(pair).is_some_and(|(key, _)| key == name.as_bytes());
        if !is_session && !pair.trim_ascii().is_empty() {
            line.extend_from_slice(pair.trim_ascii());
            line.extend_from_slice(b"; ");
        }
    }
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    line.extend_from_slice(value.as_ref());
    if let Ok(line) = HeaderValue::from_bytes(&line) {
        headers.insert(COOKIE, line);
    }
}

/// A `Cookie` line without the cookies whose name `is_withheld`; none where it has no such cookie and
/// stays as it is.
pub fn without(line: &[u8], is_withheld: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let is_withheld = |pair: &[u8]| is_withheld(name_at_start(pair));
    let mut ends = memchr_iter(b';', line);
    if !is_withheld(line) && !ends.any(|end| is_withheld(&line[end + 1..])) {
        return None;
    }
    let pairs = line.split(|byte| *byte == b';');
    let kept: Vec<_> = pairs.filter(|pair| !is_withheld(pair)).collect();
    Some(kept.join(&b';').trim_ascii_start().to_vec())
}

/// Is it the name of a cookie by which t3 may know a session, `learned` being the one that it has
/// advertised?
pub fn is_session_name(name: &[u8], learned: &str) -> bool {
    let begins = |prefix: &&str| name.starts_with(prefix.as_bytes());
    name == learned.as_bytes() || SESSION_PREFIXES.iter().any(begins)
}

/// The two sides of a pair's first `=`, without white space around them.
pub fn name_and_value(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((trimmed(&pair[..equals]), trimmed(&pair[equals + 1..])))
}

/// The name of the pair that `pairs` begin with; of one without `=` all of it.
fn name_at_start(pairs: &[u8]) -> &[u8] {
    let end = memchr2(b'=', b';', pairs);
    trimmed(&pairs[..end.unwrap_or(pairs.len())])
}

/// `text` as t3 trims it: a header's bytes are Latin-1 to it, in which U+00A0 is white space too.
fn trimmed(text: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !byte.is_ascii_whitespace() && *byte != 0xa0;
    let Some(first) = text.iter().position(is_kept) else {
        return &[];
    };
    let last = text.iter().rposition(is_kept).unwrap_or(first);
    &text[first..=last]
}

/// Name and value of the cookie that a `Set-Cookie` line sets, if it could be a session.
pub fn cookie_set_by(line: &[u8]) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let cookie = Cookie::parse(line).ok()?;
    let (name, value) = cookie.name_value();
    let is_session = is_cookie_name(name) && !value.is_empty();
    is_session.then(|| (name.to_owned(), value.to_owned()))
}

/// Is it a valid name of a cookie (RFC 6265 §4.1.1: a token)?
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
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn the_session_cookie_is_the_first_of_exactly_that_name() {
        for (lines, expected) in [
            (vec![], None),
            (vec!["t3_session=a"], Some("a")),
            (vec!["x=1; t3_session=a; y=2"], Some("a")),
            (vec!["x=1;t3_session=a"], Some("a")),
            (vec!["x=1", "t3_session=a"], Some("a")),
            (vec!["t3_session=a; t3_session=b"], Some("a")),
            (vec!["t3_session=\"a\""], Some("\"a\"")),
            (vec!["t3_session="], None),
            (vec!["t3_session"], None),
            (vec!["T3_session=a"], None),
            (vec!["t3_session_3773=a"], None),
            (vec!["not_t3_session=a"], None),
            (vec!["x=t3_session=a"], None),
            (vec!["\u{e9}=1; t3_session=a"], Some("a")),
            (vec!["x=1;\t t3_session =\ta "], Some("a")),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let headers = from_lines(&lines);
            assert_eq!(
                session_cookie(&headers, DEFAULT_COOKIE_NAME),
                expected.map(str::as_bytes),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_session_takes_the_place_of_every_other() {
        for (lines, expected) in [
            (vec![], "s=new"),
            (vec!["s=old"], "s=new"),
            (
                vec!["a=1; s=old; b=\"2 3\"", "s=older;c"],
                "a=1; b=\"2 3\"; c; s=new",
            ),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let mut headers = from_lines(&lines);
            replace_session_cookie(&mut headers, "s", "new");
            let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
            assert_eq!(lines, [expected]);
        }
    }

    #[test]
    fn whatever_t3_may_take_for_a_session_is_taken_off() {
        for (line, expected) in [
            (&b"a=1; t3_session_x; b=2"[..], Some(&b"a=1; b=2"[..])),
            (b"t3_session=x", Some(b"")),
            (b"t3_session=x; a=1", Some(b"a=1")),
            (b"a=1;t3_session=x;  b=2", Some(b"a=1;  b=2")),
            (b"t3_session=\"x\"; t3_session=y", Some(b"")),
            (b"t3_session_3773_0a1b2c3d4e5f=x; a=1", Some(b"a=1")),
            (b"t3_dev_session_x=y; a=1", Some(b"a=1")),
            (b"learned=x; a=1", Some(b"a=1")),
            (b"\xa0t3_session=x; a=1", Some(b"a=1")),
            (b"\t t3_session\xa0=x; a=1", Some(b"a=1")),
            (b"a=1;  b = 2 ;; c", None),
            (b"T3_session=x", None),
            (b"not_t3_session=x; a=t3_session=y; learned_not=z", None),
        ] {
            let kept = without(line, |name| is_session_name(name, "learned"));
            assert_eq!(kept.as_deref(), expected, "{}", line.escape_ascii());
        }
        assert_eq!(
            name_and_value(b"\xa0 a\xa0=\t\xa0b\xa0"),
            Some((&b"a"[..], &b"b"[..]))
        );
    }

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
