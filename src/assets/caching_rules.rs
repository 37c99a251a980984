//! t3's own caching rules for a static file, as far as they are understood. Pure.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, VARY};

use crate::assets::media_type::single;
use crate::http_rules::grammar::list_members;

/// What t3 says of how its file may be kept (contract §6, §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// Nothing, as up to v0.0.28.
    Unsaid,
    /// `no-cache`: it is to be validated each time.
    Validated,
    /// `public, max-age=…, immutable`.
    Immutable,
}

/// What the fields of t3's response say of how its file may be kept. `None` for rules that are not
/// understood here, which t3 has for what is no file.
pub(super) fn of(headers: &HeaderMap) -> Option<Caching> {
    if !headers.contains_key(CACHE_CONTROL) {
        return Some(Caching::Unsaid);
    }
    let line = single(headers, CACHE_CONTROL)?.to_ascii_lowercase();
    let directives: Vec<_> = line.split(',').map(str::trim).collect();
    let is_of_immutable =
        |directive: &&str| matches!(*directive, "public" | "immutable") || is_max_age(directive);
    match *directives {
        ["no-cache"] => Some(Caching::Validated),
        _ if directives.contains(&"immutable") && directives.iter().all(is_of_immutable) => {
            Some(Caching::Immutable)
        }
        _ => None,
    }
}

fn is_max_age(directive: &str) -> bool {
    let seconds = directive.strip_prefix("max-age=");
    seconds.is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0))
}

/// May t3 send something else to another client? The content coding is chosen here: `Vary:
/// Accept-Encoding` says nothing of the file.
pub(super) fn depends_on_client(headers: &HeaderMap) -> bool {
    let mut fields = headers
        .get_all(VARY)
        .iter()
        .flat_map(|line| list_members(line.as_bytes()));
    fields.any(|field| !field.is_empty() && !field.eq_ignore_ascii_case(b"accept-encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    #[test]
    fn three_ways_of_keeping_a_file_are_understood() {
        use Caching::{Immutable, Unsaid, Validated};
        for (lines, expected) in [
            (&[][..], Some(Unsaid)),
            (&["no-cache"], Some(Validated)),
            (&["No-Cache"], Some(Validated)),
            (&["public, max-age=31536000, immutable"], Some(Immutable)),
            (&["IMMUTABLE,max-age=60"], Some(Immutable)),
            (&["no-cache", "no-cache"], None),
            (&["no-store"], None),
            (&[""], None),
            (&["no-cache, no-transform"], None),
            (&["private, no-cache"], None),
            (&["public, max-age=3600"], None),
            (&["private, max-age=31536000, immutable"], None),
            (&["max-age=0, immutable"], None),
            (&["max-age=x, immutable"], None),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
            assert_eq!(of(&from_lines(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_coding_may_differ_by_client() {
        for (vary, expected) in [
            ("Accept-Encoding", false),
            (", accept-encoding ,ACCEPT-ENCODING", false),
            ("", false),
            ("Origin", true),
            ("accept-encoding, cookie", true),
        ] {
            let headers = from_lines(&[("vary", vary)]);
            assert_eq!(depends_on_client(&headers), expected, "{vary}");
        }
    }
}
