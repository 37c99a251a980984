//! Has a request the session cookie, and is it a page load? Pure.

use cookie::Cookie;
use http::header::{ACCEPT, AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method};

/// The session cookie's name until t3 has told another (contract §2).
pub const DEFAULT_COOKIE_NAME: &str = "t3_session";

/// The value of the first cookie called `name`, which is the one that t3 takes (contract §3).
/// An empty value is none.
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

/// Is this the load of a page by a person's browser, whether or not it has a session?
///
/// `Sec-Fetch-Dest: document` decides; a client that does not send that field is judged by its
/// `Accept`. A prefetch (`Sec-Purpose`) is nobody's page load, and a request that brings
/// `Authorization` speaks for itself.
pub fn is_page_load(method: &Method, headers: &HeaderMap) -> bool {
    if method != Method::GET
        || headers.contains_key(AUTHORIZATION)
        || headers.contains_key("sec-purpose")
    {
        return false;
    }
    wants_document(headers)
}

/// Would the answer be shown to a person as a page?
pub fn wants_document(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-dest") {
        Some(dest) => dest == "document",
        None => headers
            .get_all(ACCEPT)
            .iter()
            .any(|accept| names_html(accept.as_bytes())),
    }
}

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

/// Puts the session `value` in the place of every cookie called `name`; the others stay byte for
/// byte, in one line.
pub fn replace_session_cookie(headers: &mut HeaderMap, name: &str, value: &str) {
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
    line.extend_from_slice(format!("{name}={value}").as_bytes());
    if let Ok(line) = HeaderValue::from_bytes(&line) {
        headers.insert(COOKIE, line);
    }
}

fn name_and_value(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = pair.split_at(equals);
    Some((name.trim_ascii(), value[1..].trim_ascii()))
}

fn names_html(accept: &[u8]) -> bool {
    accept
        .split(|byte| *byte == b',')
        .filter_map(|range| range.split(|byte| *byte == b';').next())
        .any(|range| range.trim_ascii().eq_ignore_ascii_case(b"text/html"))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a test's name");
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a test's value");
                (name, value)
            })
            .collect()
    }

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
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            let headers = map(&lines);
            assert_eq!(
                session_cookie(&headers, DEFAULT_COOKIE_NAME),
                expected.map(str::as_bytes),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_page_load_is_a_navigation_and_nothing_else() {
        let html = (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        for (method, lines, expected) in [
            (Method::GET, vec![("sec-fetch-dest", "document")], true),
            (Method::GET, vec![html], true),
            (
                Method::GET,
                vec![("accept", "application/xml, TEXT/HTML;q=0.9")],
                true,
            ),
            (Method::GET, vec![("accept", "*/*")], false),
            (Method::GET, vec![("accept", "text/html-x")], false),
            (Method::GET, vec![], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "empty")], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "iframe")], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "image")], false),
            (
                Method::GET,
                vec![("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
                false,
            ),
            (
                Method::GET,
                vec![
                    ("sec-fetch-dest", "document"),
                    ("authorization", "Bearer x"),
                ],
                false,
            ),
            (Method::POST, vec![("sec-fetch-dest", "document")], false),
            (Method::HEAD, vec![html], false),
        ] {
            assert_eq!(
                is_page_load(&method, &map(&lines)),
                expected,
                "{method} {lines:?}"
            );
        }
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
            let mut headers = map(&lines);
            replace_session_cookie(&mut headers, "s", "new");
            let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
            assert_eq!(lines, [expected]);
        }
    }
}
