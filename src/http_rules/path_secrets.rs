//! The part of a path that may be logged: without the tokens that t3's signed paths carry. Pure.

use std::borrow::Cow;

/// The first two segments of the paths in which a token follows: signed files, uploads, hooks (contract
/// §6).
const SIGNED: [(&str, &str); 3] = [("api", "assets"), ("api", "attachments"), ("api", "hooks")];

/// A longer segment may be a token, too: t3's names and ids are shorter.
const LONGEST_SEGMENT_BYTES: usize = 64;

/// Stands for the rest of a path.
const REST: &str = "[…]";

/// `path` up to where a token may begin: behind the prefix of a signed path, and at any segment that is
/// another spelling of one or as long as a token.
pub fn shown(path: &str) -> Cow<'_, str> {
    match secret_start(path) {
        Some(start) => format!("{}{REST}", &path[..start]).into(),
        None => path.into(),
    }
}

fn secret_start(path: &str) -> Option<usize> {
    let mut offset = 0;
    let mut before = ["", ""];
    for (number, segment) in path.split('/').enumerate() {
        let is_last = offset + segment.len() == path.len();
        let is_plain = !segment.contains(['%', '\\', ';'])
            && (!segment.starts_with('.') || segment == ".well-known")
            && (!segment.is_empty() || number == 0 || is_last);
        if !is_plain || segment.len() > LONGEST_SEGMENT_BYTES || (number == 3 && is_signed(before))
        {
            return Some(offset);
        }
        before = [before[1], segment];
        offset += segment.len() + 1;
    }
    None
}

fn is_signed([first, second]: [&str; 2]) -> bool {
    SIGNED
        .iter()
        .any(|signed| first.eq_ignore_ascii_case(signed.0) && second.eq_ignore_ascii_case(signed.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_up_to_a_token() {
        let long = format!("/t/{}/x", "a".repeat(65));
        for (path, expected) in [
            ("/", "/"),
            ("", ""),
            ("/t/1", "/t/1"),
            ("/t/1/", "/t/1/"),
            ("/assets/main-BP8DcnWJ.js", "/assets/main-BP8DcnWJ.js"),
            ("/.well-known/t3/environment", "/.well-known/t3/environment"),
            ("/api/auth/session", "/api/auth/session"),
            ("/api/preview-stream/ws", "/api/preview-stream/ws"),
            ("/api/assets/token/a.png", "/api/assets/[…]"),
            ("/API/Assets/token", "/API/Assets/[…]"),
            ("/api/attachments/upload/token", "/api/attachments/[…]"),
            ("/api/hooks/hook/token", "/api/hooks/[…]"),
            ("/%61pi/assets/token/a.png", "/[…]"),
            ("/api/%61ssets/token/a.png", "/api/[…]"),
            ("/api//assets/token", "/api/[…]"),
            ("//api/assets/token", "/[…]"),
            ("/./api/assets/token", "/[…]"),
            ("/x/../api/assets/token", "/x/[…]"),
            ("/api;x/assets/token", "/[…]"),
            ("/api\\assets\\token", "/[…]"),
            ("http:api/assets/token", "http:api/assets/token"),
            (&long, "/t/[…]"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
