//! Entity tags of files, compared with `If-None-Match` (RFC 9110 §8.8.3, §13.1.2). Pure.

use data_encoding::HEXLOWER;
use http::HeaderValue;
use http::header::IF_NONE_MATCH;

use crate::assets::encoder::Coding;
use crate::assets::hashes::{ContentHash, ContentHasher};
use crate::http_rules::HeaderView;

/// A tag's hexadecimal digits: 128 bits of the content's SHA-256.
const HASH_DIGITS: usize = 32;

/// The bytes of a kept file's tag: its digits between quotes, and `W/`.
const KEPT_TAG_BYTES: usize = HASH_DIGITS + 4;

/// A hash of a file's content, and of the policy that goes with a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// The hash of `content`, before any coding, and of the page's `policy`: some browsers take none
    /// from a 304, so a page under another policy must be sent. With it, the hash of the content alone.
    pub(super) fn of(content: &[u8], policy: Option<&HeaderValue>) -> (Self, ContentHash) {
        let mut hasher = ContentHasher::default();
        hasher.update(content);
        let content = hasher.clone().finish();
        if let Some(policy) = policy {
            hasher.update(policy.as_bytes());
        }
        let hash = hasher.finish();
        (
            Self(HEXLOWER.encode(&hash.as_bytes()[..HASH_DIGITS / 2])),
            content,
        )
    }

    /// The strong tag of the content in `coding`: each coding is another representation
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

/// The tag of a kept file of that content: weak, as its name stands for the content in any coding, and a
/// better encoded body may replace the one that a client has (RFC 9110 §8.8.1).
pub(super) fn of_kept(content: ContentHash) -> [u8; KEPT_TAG_BYTES] {
    let mut tag = *b"W/\"................................\"";
    let digits = &mut tag[3..3 + HASH_DIGITS];
    HEXLOWER.encode_mut(&content.as_bytes()[..HASH_DIGITS / 2], digits);
    tag
}

/// Does `If-None-Match` name `tag`? The comparison is weak (RFC 9110 §13.1.2).
pub(super) fn matches(fields: &(impl HeaderView + ?Sized), tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    any_entry(fields, |name| match name {
        ETagEntry::Any => true,
        ETagEntry::Opaque(opaque) => opaque == tag,
    })
}

/// t3's `tag` for the same content in any coding: not of the same bytes (RFC 9110 §8.8.1).
pub(super) fn weakened(tag: &HeaderValue) -> HeaderValue {
    let weak = [b"W/", tag.as_bytes()].concat();
    match tag.as_bytes().starts_with(b"W/") {
        true => tag.clone(),
        false => HeaderValue::from_bytes(&weak).unwrap_or_else(|_| tag.clone()),
    }
}

/// Does `If-None-Match` name a tag of this module, or `*`? t3 cannot evaluate either.
pub(super) fn names_local_tag(fields: &(impl HeaderView + ?Sized)) -> bool {
    any_entry(fields, |name| match name {
        ETagEntry::Any => true,
        ETagEntry::Opaque(opaque) => is_local(opaque),
    })
}

/// One member of `If-None-Match`.
enum ETagEntry<'a> {
    /// `*`
    Any,
    /// A tag with its quotes, without `W/`.
    Opaque(&'a [u8]),
}

fn any_entry(
    fields: &(impl HeaderView + ?Sized),
    mut test: impl FnMut(ETagEntry<'_>) -> bool,
) -> bool {
    fields.lines(&IF_NONE_MATCH).any(|line| {
        let line = line.trim_ascii();
        if line == b"*" {
            return test(ETagEntry::Any);
        }
        let mut rest = line;
        while let Some((tag, rest_of_list)) = next_tag(rest) {
            if test(ETagEntry::Opaque(tag)) {
                return true;
            }
            rest = rest_of_list;
        }
        false
    })
}

/// The first tag of a list and the rest of the list; `None` if there is no well-formed tag. A
/// comma may stand inside the quotes.
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list
        .iter()
        .position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = &list[start..];
    let list = list.strip_prefix(b"W/").unwrap_or(list);
    let inner = list.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let (tag, rest_of_list) = list.split_at(end + 2);
    let is_separated = matches!(rest_of_list.trim_ascii_start().first(), None | Some(b','));
    is_separated.then_some((tag, rest_of_list))
}

fn is_local(opaque: &[u8]) -> bool {
    let inner = opaque.get(1..opaque.len().saturating_sub(1));
    let Some((hash, suffix)) = inner.and_then(|inner| inner.split_at_checked(HASH_DIGITS)) else {
        return false;
    };
    hash.iter().all(u8::is_ascii_hexdigit) && matches!(suffix, b"" | b"-br" | b"-zstd" | b"-gzip")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::http_rules::header_map::from_lines;

    fn request(lines: &[&str]) -> HeaderMap {
        let lines: Vec<_> = lines.iter().map(|line| ("if-none-match", *line)).collect();
        from_lines(&lines)
    }

    #[test]
    fn a_tag_depends_on_the_content_the_policy_and_the_coding() {
        let (tag, content) = ETag::of(b"abc", None);
        assert_eq!(content, ContentHash::of(b"abc"));
        assert_eq!(
            tag.value(Coding::Identity),
            "\"ba7816bf8f01cfea414140de5dae2223\""
        );
        assert_eq!(
            tag.value(Coding::Br),
            "\"ba7816bf8f01cfea414140de5dae2223-br\""
        );
        assert_ne!(tag, ETag::of(b"abd", None).0);
        let policy = HeaderValue::from_static("frame-ancestors 'self'");
        let (under_policy, content) = ETag::of(b"abc", Some(&policy));
        assert_ne!(tag, under_policy);
        assert_eq!(content, ContentHash::of(b"abc"));
    }

    #[test]
    fn a_client_s_list_is_compared_weakly() {
        let tag = b"\"x,y\"";
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
            assert_eq!(matches(&request(&[line]), tag), expected, "{line}");
        }
        assert!(matches(&request(&["\"a\"", "\"x,y\""]), tag));
        assert!(!matches(&request(&[]), tag));
    }

    #[test]
    fn a_tag_of_t3_s_is_weak_here() {
        for tag in ["\"86a-1a\"", "W/\"86a-1a\""] {
            let weak = weakened(&HeaderValue::from_static(tag));
            assert_eq!(weak, "W/\"86a-1a\"");
            let is_named = |line| matches(&request(&[line]), weak.as_bytes());
            assert!(is_named("\"x\", W/\"86a-1a\""));
            assert!(is_named("\"86a-1a\""));
            assert!(!is_named("W/\"86a-1b\""));
        }
    }

    #[test]
    fn a_kept_file_has_one_weak_tag_in_all_codings() {
        let tag = of_kept(ContentHash::of(b"abc"));
        assert_eq!(&tag, b"W/\"ba7816bf8f01cfea414140de5dae2223\"");
        let text = str::from_utf8(&tag).expect("ASCII");
        assert!(names_local_tag(&request(&[text])), "t3 never sees it");
        assert!(matches(&request(&[&text[2..]]), &tag));
        assert!(!matches(&request(&[&text.replace("\"", "-br\"")]), &tag));
    }

    #[test]
    fn local_tags_are_recognized_by_their_form() {
        let (tag, _) = ETag::of(b"abc", None);
        for coding in [Coding::Identity, Coding::Br, Coding::Zstd, Coding::Gzip] {
            let value = tag.value(coding);
            let list = format!("\"other\", W/{}", value.to_str().expect("ASCII"));
            assert!(names_local_tag(&request(&[&list])), "{list}");
        }
        assert!(names_local_tag(&request(&["*"])));
        for other in [
            "\"other\"",
            "\"\"",
            "\"",
            "",
            "\"ba7816bf8f01cfea414140de5dae222g\"",
            "\"ba7816bf8f01cfea414140de5dae2223-xz\"",
        ] {
            assert!(!names_local_tag(&request(&[other])), "{other}");
        }
    }
}
