//! Whether a page's Content-Security-Policy lets a script of its own origin run and ask that origin. Pure.

use http::header::CONTENT_SECURITY_POLICY;

use crate::http_rules::HeaderView;
use crate::http_rules::frame_ancestors::{is_word, words};
use crate::http_rules::grammar::list_members;

/// Do all policies in the `fields` of a page let such a script run? What is not certain is no.
pub fn allows_own_script(fields: &(impl HeaderView + ?Sized)) -> bool {
    let lines = fields.lines(&CONTENT_SECURITY_POLICY);
    lines.flat_map(list_members).all(is_allowed_by)
}

/// Does `policy`, of a field or of a page's `meta`, let a script of the page's own origin run, and ask that
/// origin (CSP3 §6.1)? A page in a sandbox may have an origin of its own.
pub fn is_allowed_by(policy: &[u8]) -> bool {
    let directives: Vec<_> = policy.split(|byte| *byte == b';').map(words).collect();
    // The first directive of a name counts (CSP3 §2.2.1).
    let find = |name: &[u8]| {
        let mut named = directives
            .iter()
            .filter(|words| is_word(words.first(), name));
        named.next()
    };
    let of = |names: &[&[u8]]| names.iter().find_map(|name| find(name));
    let lets = |sources: Option<&Vec<&[u8]>>| sources.is_none_or(|sources| names_own(sources));
    find(b"sandbox").is_none()
        && lets(of(&[b"script-src-elem", b"script-src", b"default-src"]))
        && lets(of(&[b"connect-src", b"default-src"]))
}

/// Beside `'strict-dynamic'` no source of a kind of address counts (CSP3 §8.2).
fn names_own(sources: &[&[u8]]) -> bool {
    let has = |expected: &[u8]| sources.iter().any(|source| is_word(Some(source), expected));
    (has(b"'self'") || has(b"*")) && !has(b"'strict-dynamic'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn only_a_policy_that_names_the_own_origin_or_none_lets_the_script_run() {
        for (policy, expected) in [
            ("", true),
            ("frame-ancestors 'self'", true),
            ("img-src 'none'; style-src 'none'", true),
            ("default-src 'self'", true),
            ("Default-Src * data:", true),
            ("script-src 'SELF' 'nonce-abc'", true),
            ("script-src-elem 'self'; script-src 'none'", true),
            ("script-src 'self'; script-src 'none'", true),
            (
                "script-src 'self'; default-src 'none'; connect-src 'self'",
                true,
            ),
            ("script-src 'self'; default-src 'none'", false),
            ("script-src 'self'; connect-src https://api.test", false),
            ("script-src 'none'; script-src 'self'", false),
            ("script-src-elem 'none'; script-src 'self'", false),
            ("script-src 'nonce-abc'", false),
            ("script-src 'nonce-abc' 'strict-dynamic' 'self'", false),
            ("script-src 'sha256-x' 'unsafe-inline'", false),
            ("script-src https://t3.test/assets/", false),
            ("script-src", false),
            ("default-src 'none'", false),
            ("default-src\t'none'", false),
            ("sandbox allow-scripts allow-same-origin", false),
        ] {
            assert_eq!(is_allowed_by(policy.as_bytes()), expected, "{policy}");
        }
    }

    #[test]
    fn every_policy_counts() {
        let name = "content-security-policy";
        for (lines, expected) in [
            (&[][..], true),
            (
                &[
                    (name, "frame-ancestors 'self'"),
                    (name, "script-src 'self'"),
                ],
                true,
            ),
            (&[(name, "img-src *"), (name, "script-src 'none'")], false),
            (&[(name, "img-src *, script-src 'none'")], false),
            (
                &[("content-security-policy-report-only", "script-src 'none'")],
                true,
            ),
        ] {
            assert_eq!(allows_own_script(&from_lines(lines)), expected, "{lines:?}");
        }
    }
}
