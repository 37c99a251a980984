//! Entity tags of files, and `If-None-Match` read (RFC 9110 §8.8.3, §13.1.2). Pure.

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::assets::encoder::Coding;

/// Hexadecimal digits of a tag: 128 bits of the content's SHA-256.
const DIGITS: usize = 32;

/// The content of a file, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// The tag of `content`.
    pub(super) fn of(content: &[u8]) -> Self {
        let hash = Sha256::digest(content);
        let half = hash.iter().take(DIGITS / 2);
        Self(half.map(|byte| format!("{byte:02x}")).collect())
    }

    /// A name for the content.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The strong tag of the content as it is sent: each coding is a representation of its own
    /// (RFC 9110 §8.8.3.3).
    pub(super) fn value(&self, coding: Coding) -> HeaderValue {
        let token = coding.token();
        let suffix = token.as_ref().and_then(|token| token.to_str().ok());
        let text = match suffix {
            Some(suffix) => format!("\"{}-{suffix}\"", self.0),
            None => format!("\"{}\"", self.0),
        };
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// Does the client hold the representation that is called `tag` already? The comparison is weak.
pub(super) fn is_held(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    any_named(headers, |name| match name {
        Name::Any => true,
        Name::Tag(opaque) => opaque == tag.as_bytes(),
    })
}

/// Is the condition of the request about tags of this module, or about anything at all? t3 knows
/// neither.
pub(super) fn names_own(headers: &HeaderMap) -> bool {
    any_named(headers, |name| match name {
        Name::Any => true,
        Name::Tag(opaque) => is_own(opaque),
    })
}

enum Name<'a> {
    Any,
    /// With its quotes, without `W/`.
    Tag(&'a [u8]),
}

fn any_named(headers: &HeaderMap, mut is_it: impl FnMut(Name<'_>) -> bool) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|line| {
        let line = line.as_bytes().trim_ascii();
        if line == b"*" {
            return is_it(Name::Any);
        }
        let mut rest = line;
        while let Some((tag, behind)) = next_tag(rest) {
            if is_it(Name::Tag(tag)) {
                return true;
            }
            rest = behind;
        }
        false
    })
}

/// The first tag of a list, and what stands behind it; nothing where the list is none. A comma
/// may stand inside the quotes.
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list
        .iter()
        .position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = &list[start..];
    let list = list.strip_prefix(b"W/").unwrap_or(list);
    let inner = list.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let (tag, behind) = list.split_at(end + 2);
    let is_separated = matches!(behind.trim_ascii_start().first(), None | Some(b','));
    is_separated.then_some((tag, behind))
}

fn is_own(opaque: &[u8]) -> bool {
    let inner = opaque.get(1..opaque.len().saturating_sub(1));
    let Some((hash, suffix)) = inner.and_then(|inner| inner.split_at_checked(DIGITS)) else {
        return false;
    };
    hash.iter().all(u8::is_ascii_hexdigit) && matches!(suffix, b"" | b"-br" | b"-zstd" | b"-gzip")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn request(lines: &[&str]) -> HeaderMap {
        let lines: Vec<_> = lines.iter().map(|line| ("if-none-match", *line)).collect();
        from_lines(&lines)
    }

    #[test]
    fn a_tag_is_of_the_content_and_the_coding() {
        let tag = Tag::of(b"abc");
        assert_eq!(tag.as_str(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(
            tag.value(Coding::Identity),
            "\"ba7816bf8f01cfea414140de5dae2223\""
        );
        assert_eq!(
            tag.value(Coding::Br),
            "\"ba7816bf8f01cfea414140de5dae2223-br\""
        );
        assert_ne!(tag, Tag::of(b"abd"));
    }

    #[test]
    fn a_client_s_list_is_compared_weakly() {
        let tag = HeaderValue::from_static("\"x,y\"");
        for (line, expected) in [
            ("\"x,y\"", true),
            ("W/\"x,y\"", true),
            ("*", true),
            (" * ", true),
            ("\"a\", \"x,y\"", true),
            ("\"a\",W/\"b\" , W/\"x,y\"", true),
            (", ,\"x,y\",", true),
            ("\"\", \"x,y\"", true),
            ("\"x\"", false),
            ("x,y", false),
            ("\"x,y", false),
            ("w/\"x,y\"", false),
            ("\"a\" \"x,y\"", false),
            ("\"a\"\"x,y\"", false),
            ("\"x,y\"z", false),
            ("*, \"a\"", false),
            ("\"*\"", false),
            ("", false),
        ] {
            assert_eq!(is_held(&request(&[line]), &tag), expected, "{line}");
        }
        assert!(is_held(&request(&["\"a\"", "\"x,y\""]), &tag));
        assert!(!is_held(&request(&[]), &tag));
    }

    #[test]
    fn own_tags_are_known_by_their_shape() {
        let tag = Tag::of(b"abc");
        for coding in [Coding::Identity, Coding::Br, Coding::Zstd, Coding::Gzip] {
            let value = tag.value(coding);
            let list = format!("\"other\", W/{}", value.to_str().expect("ASCII"));
            assert!(names_own(&request(&[&list])), "{list}");
        }
        assert!(names_own(&request(&["*"])));
        for other in [
            "\"other\"",
            "\"\"",
            "\"",
            "",
            "\"ba7816bf8f01cfea414140de5dae222g\"",
            "\"ba7816bf8f01cfea414140de5dae2223-xz\"",
        ] {
            assert!(!names_own(&request(&[other])), "{other}");
        }
    }
}
