//! Who may show t3's page in a frame: the policy line that each page gets on its way to a browser. Pure.

use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use memchr::memchr2_iter;

use crate::http_rules::HeaderView;
use crate::http_rules::browser_request::is_navigation;
use crate::http_rules::grammar::{is_host, list_members};
use crate::http_rules::representation::remove_all;

/// The value of a `Content-Security-Policy` line that says which pages may frame this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameAncestors(HeaderValue);

impl FrameAncestors {
    /// Lets the pages of `sources` frame t3's page: CSP sources separated by spaces, such as
    /// `'self' https://dash.test` (CSP3 §6.4.2).
    ///
    /// # Errors
    /// What is wanted instead, where a browser would not take `sources` as such a list.
    pub fn new(sources: &str) -> Result<Self, String> {
        let sources = sources.split(' ').filter(|source| !source.is_empty());
        let sources: Vec<_> = sources.collect();
        if sources.is_empty() || sources.contains(&"'none'") && sources.len() > 1 {
            return Err("`'none'` alone or other sources are needed".to_owned());
        }
        if let Some(other) = sources.iter().find(|source| !is_source(source)) {
            let why = "is no source such as 'self', 'none', https: or https://dash.test";
            return Err(format!("`{other}` {why}"));
        }
        HeaderValue::try_from(format!("frame-ancestors {}", sources.join(" ")))
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// The `Content-Security-Policy` line to add to a response with `fields`, if it is a page. Beside
    /// a policy of t3's own both hold (CSP3 §4.2): nothing that t3 forbids is allowed.
    pub fn line_for(&self, fields: &(impl HeaderView + ?Sized)) -> Option<&HeaderValue> {
        let line = &self.0;
        let is_there = |held: &[u8]| held == line.as_bytes();
        let is_wanted = is_html(fields)
            && !is_sandboxed(fields)
            && !forbids_frames(fields)
            && !fields.lines(&CONTENT_SECURITY_POLICY).any(is_there);
        is_wanted.then_some(line)
    }

    /// Adds the line to a response with `headers`, if it is a page.
    pub fn protect(&self, headers: &mut HeaderMap) {
        if let Some(line) = self.line_for(headers) {
            headers.append(CONTENT_SECURITY_POLICY, line.clone());
        }
    }
}

/// Has t3 send the whole page to a request of `method` with `headers` that loads one into a tab or a
/// frame: a 304 would leave the browser the page that it kept from before, without the policy.
pub fn drop_conditions_of_page(method: &Method, headers: &mut HeaderMap) {
    if matches!(*method, Method::GET | Method::HEAD) && is_navigation(headers) {
        remove_all(headers, &[IF_NONE_MATCH, IF_MODIFIED_SINCE]);
    }
}

/// t3 gives each page a type (contract §6).
fn is_html(fields: &(impl HeaderView + ?Sized)) -> bool {
    let names_html = |line: &[u8]| {
        let mut places = memchr2_iter(b'h', b'H', line).map(|at| line[at..].first_chunk());
        places.any(|four| four.is_some_and(|four: &[u8; 4]| four.eq_ignore_ascii_case(b"html")))
    };
    fields.lines(&CONTENT_TYPE).any(names_html)
}

/// Has t3 put the page into an origin of its own, where it can do nothing with a session? Previews
/// are such pages, and t3's apps show them in frames of other origins (contract §6, §12).
fn is_sandboxed(fields: &(impl HeaderView + ?Sized)) -> bool {
    let is_opaque = |policy: &[u8]| {
        let mut directives = policy.split(|byte| *byte == b';').map(words);
        // The first directive of a name counts (CSP3 §2.2.1).
        let sandbox = directives.find(|words| is_word(words.first(), b"sandbox"));
        sandbox.is_some_and(|words| {
            !words
                .iter()
                .any(|word| is_word(Some(word), b"allow-same-origin"))
        })
    };
    let mut policies = fields
        .lines(&CONTENT_SECURITY_POLICY)
        .flat_map(list_members);
    policies.any(is_opaque)
}

/// Beside `frame-ancestors` a browser no longer looks at this field (CSP3 §6.4.2.2).
fn forbids_frames(fields: &(impl HeaderView + ?Sized)) -> bool {
    let line = fields.single(&X_FRAME_OPTIONS);
    line.is_some_and(|line| line.trim_ascii().eq_ignore_ascii_case(b"deny"))
}

/// The words of a directive: its name, and its values.
pub(super) fn words(directive: &[u8]) -> Vec<&[u8]> {
    let words = directive.split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty()).collect()
}

/// Is it this word, in whatever case?
pub(super) fn is_word(word: Option<&&[u8]>, expected: &[u8]) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(expected))
}

/// A keyword of this directive, a scheme, or a host with or without scheme, port and path.
fn is_source(source: &str) -> bool {
    let is_clean = |byte: u8| byte.is_ascii_graphic() && !b"'\",;?#\\<>@%".contains(&byte);
    let is_scheme = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match source {
        "'self'" | "'none'" | "*" => return true,
        // A host's name to a browser, and hardly what was meant.
        "self" | "none" => return false,
        _ if !source.bytes().all(is_clean) => return false,
        _ => {}
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return is_scheme(scheme);
    }
    let (scheme, rest) = source.split_once("://").unwrap_or(("https", source));
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.strip_suffix(":*").unwrap_or(authority);
    let host = host.strip_prefix("*.").unwrap_or(host);
    is_scheme(scheme) && !host.is_empty() && !host.contains('*') && is_host(host.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    const LINE: &str = "frame-ancestors 'self'";
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    fn is_protected(lines: &[(&str, &str)]) -> bool {
        let own = FrameAncestors::new("'self'").expect("a source");
        own.line_for(&from_lines(lines)).is_some()
    }

    #[test]
    fn every_page_is_protected_and_nothing_else() {
        let of_type = |value| ("content-type", value);
        for (lines, expected) in [
            (vec![HTML], true),
            (vec![of_type("TEXT/HTML")], true),
            (vec![of_type("application/xhtml+xml")], true),
            (vec![of_type("text/css"), HTML], true),
            (vec![of_type("text/css, text/html")], true),
            (vec![of_type("application/json")], false),
            (vec![of_type("htm")], false),
            (vec![], false),
        ] {
            assert_eq!(is_protected(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_policy_of_t3_s_own_is_left_and_only_a_stricter_one_suffices() {
        for (name, value, expected) in [
            ("content-security-policy", "default-src 'self'", true),
            ("content-security-policy", "frame-ancestors *", true),
            ("content-security-policy", LINE, false),
            (
                "content-security-policy",
                "default-src *; Sandbox allow-scripts",
                false,
            ),
            ("content-security-policy", "a; SANDBOX", false),
            ("content-security-policy", "img-src *, sandbox", false),
            (
                "content-security-policy",
                "sandbox allow-scripts allow-same-origin",
                true,
            ),
            (
                "content-security-policy",
                "sandbox allow-same-origin; sandbox",
                true,
            ),
            ("content-security-policy", "img-src sandbox", true),
            ("content-security-policy-report-only", "sandbox", true),
            ("x-frame-options", "DENY", false),
            ("x-frame-options", "SAMEORIGIN", true),
        ] {
            assert_eq!(is_protected(&[HTML, (name, value)]), expected, "{value}");
        }
        let mut headers = from_lines(&[HTML, ("content-security-policy", "img-src *")]);
        let own = FrameAncestors::new("'self'").expect("a source");
        own.protect(&mut headers);
        own.protect(&mut headers);
        let policies: Vec<_> = headers.get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(policies, ["img-src *", LINE]);
    }

    #[test]
    fn only_what_a_browser_takes_is_a_source() {
        for (sources, expected) in [
            ("'self'", true),
            (" 'self'  https://dash.test ", true),
            ("'none'", true),
            ("*", true),
            ("https:", true),
            ("https://*.dash.test:8443", true),
            ("dash.test:*", true),
            ("http://127.0.0.1:8080/panels/", true),
            ("http://[::1]:8080", true),
            ("", false),
            (" ", false),
            ("'none' https://dash.test", false),
            ("self", false),
            ("'unsafe-inline'", false),
            ("'self'; script-src *", false),
            ("'self', https://dash.test", false),
            ("https://", false),
            ("https://a b\r\nx", false),
            ("https://dash.test\r\nX-Evil: 1", false),
            ("https://d\u{e9}sh.test", false),
            ("https://a.*.test", false),
            ("https://user@dash.test", false),
            ("https://dash.test:port", false),
            ("1https://dash.test", false),
        ] {
            assert_eq!(
                FrameAncestors::new(sources).is_ok(),
                expected,
                "{sources:?}"
            );
        }
        let held = FrameAncestors::new(" 'self'  https://dash.test ").expect("sources");
        assert_eq!(held.0, "frame-ancestors 'self' https://dash.test");
    }

    #[test]
    fn only_what_is_shown_is_asked_for_without_conditions() {
        let conditions = [("if-none-match", "\"x\""), ("if-modified-since", "x")];
        for (method, name, value, stays) in [
            (Method::GET, "sec-fetch-dest", "document", false),
            (Method::HEAD, "sec-fetch-dest", "document", false),
            (Method::GET, "sec-fetch-dest", "iframe", false),
            (Method::GET, "sec-fetch-dest", "empty", true),
            (Method::GET, "accept", "text/html", false),
            (Method::GET, "accept", "*/*", true),
            (Method::PUT, "accept", "text/html", true),
        ] {
            let mut headers = from_lines(&[&[(name, value)], &conditions[..]].concat());
            drop_conditions_of_page(&method, &mut headers);
            let left = if stays { 3 } else { 1 };
            assert_eq!(headers.len(), left, "{method} {value}");
        }
    }
}
