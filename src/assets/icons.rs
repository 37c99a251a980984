//! Icons and the manifest: a browser keeps them for a day, as each reload would ask for them again. Pure.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::assets::caching_rules::{self, Caching};

/// How the names of icons begin and end, at the root (contract §6, §11).
const BEGINNINGS: [&str; 2] = ["favicon", "apple-touch-icon"];
const ENDS: [&str; 3] = [".ico", ".png", ".svg"];

/// The manifest's path.
const MANIFEST: &str = "/manifest.webmanifest";

/// A day, after which it is asked whether they have changed. A shared cache stands before single sign-on,
/// or behind it for one person.
const FOR_A_DAY: HeaderValue = HeaderValue::from_static("private, max-age=86400");

/// Is `path` an icon's or the manifest's?
pub fn is_kept(path: &str) -> bool {
    let name = path.strip_prefix('/').unwrap_or_default();
    let is_icon = !name.contains('/')
        && BEGINNINGS
            .iter()
            .any(|beginning| name.starts_with(beginning))
        && ENDS.iter().any(|end| name.ends_with(end));
    is_icon || path == MANIFEST
}

/// Has a browser keep `response`, an icon's or the manifest's, unless t3 says for how long itself. For a
/// name that it does not know t3 sends its page, which is never kept.
pub fn keep<B>(response: &mut Response<B>) {
    let headers = response.headers();
    let is_icon = match response.status() {
        StatusCode::NOT_MODIFIED => true,
        StatusCode::OK => headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| !value.as_bytes().starts_with(b"text/")),
        _ => false,
    };
    let is_left_open = matches!(
        caching_rules::of(headers),
        Some(Caching::Unsaid | Caching::Validated)
    );
    if is_icon && is_left_open {
        response.headers_mut().insert(CACHE_CONTROL, FOR_A_DAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_and_the_manifest_are_known_by_their_paths() {
        for (path, expected) in [
            ("/favicon.ico", true),
            ("/favicon-32x32.png", true),
            ("/apple-touch-icon.png", true),
            ("/manifest.webmanifest", true),
            ("/favicon.svg", true),
            ("/icon.png", false),
            ("/", false),
            ("/favicon", false),
            ("/index.html", false),
            ("/a/favicon.ico", false),
            ("/attachments/icon.png", false),
            ("/assets/index-DAnjtfN8.css", false),
            ("/api/project-favicon", false),
        ] {
            assert_eq!(is_kept(path), expected, "{path}");
        }
    }

    #[test]
    fn an_icon_is_kept_for_a_day_unless_t3_says_otherwise() {
        let day = "private, max-age=86400";
        for (status, content_type, given, expected) in [
            (200, "image/png", "", day),
            (200, "image/png", "no-cache", day),
            (200, "application/manifest+json", "no-cache", day),
            (304, "", "no-cache", day),
            (200, "image/png", "no-store", "no-store"),
            (200, "image/png", "max-age=60", "max-age=60"),
            (200, "text/html; charset=utf-8", "no-cache", "no-cache"),
            (200, "", "no-cache", "no-cache"),
            (404, "image/png", "no-cache", "no-cache"),
            (503, "image/png", "", ""),
        ] {
            let mut response = Response::builder().status(status);
            for (name, value) in [(CONTENT_TYPE, content_type), (CACHE_CONTROL, given)] {
                if !value.is_empty() {
                    response = response.header(name, value);
                }
            }
            let mut response = response.body(()).expect("a response");
            keep(&mut response);
            let kept = response.headers().get(CACHE_CONTROL);
            let kept = kept.map_or("", |value| value.to_str().unwrap_or("?"));
            assert_eq!(kept, expected, "{status} {content_type} {given}");
        }
    }
}
