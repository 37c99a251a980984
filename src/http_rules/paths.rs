//! Paths: which the dispatcher answers itself, and which may be static files of t3's. Pure.

use memchr::{memchr, memrchr};

/// Where t3 keeps what is no static file, by the first segment of the path.
const ELSEWHERE: [&str; 5] = ["api", "attachments", "oauth", ".well-known", "ws"];

/// Where the names are that carry their content's hash (contract §6).
pub const HASHED: &str = "/assets/";

/// Is a request for `path` that is neither a page load nor an upgrade forwarded, whatever its
/// fields say?
pub fn is_forwarded(path: &str) -> bool {
    !matches!(
        path,
        "/healthz"
            | "/readyz"
            | "/probe/healthz"
            | "/probe/ws"
            | "/api/auth/session"
            | "/manifest.webmanifest"
    )
}

/// A static path that is a file's by its look: the root, what is below /assets/, or a name with an
/// extension. t3's page is the answer to every other path too (contract §6), but nobody asks for
/// it there except as a page.
pub fn is_file_path(path: &str) -> bool {
    let name = memrchr(b'/', path.as_bytes()).map_or(path, |slash| &path[slash..]);
    let is_file =
        path == "/" || path.starts_with(HASHED) || memchr(b'.', name.as_bytes()).is_some();
    is_file && is_static_path(path)
}

/// A path that t3 can read in one way only, and that leads to none of its other rooms.
pub fn is_static_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    if ELSEWHERE
        .iter()
        .any(|room| first.eq_ignore_ascii_case(room))
    {
        return false;
    }
    !path.contains(['%', '\\', ';'])
        && !path.contains("//")
        && !rest.split('/').any(|segment| segment.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_paths_are_told_from_the_others() {
        for (target, expected) in [
            ("/", true),
            ("/?a=%2e", true),
            ("/t/1", true),
            ("/assets/a.js", true),
            ("/apple-touch-icon.png", true),
            ("/apixyz", true),
            ("/a/api", true),
            ("/attachments-of-mine", true),
            ("http://other.test/", true),
            ("/api", false),
            ("/api/", false),
            ("/api/x", false),
            ("/API/x", false),
            ("/attachments/1", false),
            ("/oauth/token", false),
            ("/.well-known/t3/environment", false),
            ("/.WELL-KNOWN/x", false),
            ("/ws", false),
            ("/ws/", false),
            ("/%61pi/x", false),
            ("/assets/%2e%2e/api/x", false),
            ("/assets/../api/x", false),
            ("/assets/./a.js", false),
            ("/./api/x", false),
            ("/assets/..", false),
            ("//api/x", false),
            ("/x//api", false),
            ("/x\\..\\api", false),
            ("/api;x/y", false),
            ("*", false),
        ] {
            let Ok(uri) = target.parse::<http::Uri>() else {
                continue;
            };
            assert_eq!(is_static_path(uri.path()), expected, "{target}");
        }
    }
}
