//! Paths: which ones the dispatcher answers itself, and which ones may be static files of t3. Pure.

use memchr::{memchr, memrchr};

/// The first segments below which t3 serves no static files (contract §6).
const DYNAMIC_PREFIXES: [&str; 5] = ["api", "attachments", "oauth", ".well-known", "ws"];

/// Below it names carry their content's hash (contract §6).
pub const HASHED: &str = "/assets/";

/// Is a request for `path`, if it is no page load and no upgrade, forwarded whatever its fields say?
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

/// Does a static path look like a file's: the root, below /assets/, or a name with an extension? t3
/// answers every other path with its page too (contract §6), but only page loads ask for it there.
pub fn is_file_path(path: &str) -> bool {
    let name = memrchr(b'/', path.as_bytes()).map_or(path, |slash| &path[slash..]);
    let is_file =
        path == "/" || path.starts_with(HASHED) || memchr(b'.', name.as_bytes()).is_some();
    is_file && is_static_path(path)
}

/// Is it a path that every reader reads alike, and that leads to none of the dynamic prefixes?
pub fn is_static_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    if DYNAMIC_PREFIXES
        .iter()
        .any(|prefix| first.eq_ignore_ascii_case(prefix))
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
