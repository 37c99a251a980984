//! Paths: which ones the dispatcher answers itself, which ones may be static files of t3, and which ones pages. Pure.

use memchr::{memchr, memrchr};

use crate::http_rules::grammar::ByteSet;

/// The first segments below which t3 serves no static files (contract §6).
const DYNAMIC_PREFIXES: [&str; 6] = ["api", "attachments", "mcp", "oauth", ".well-known", "ws"];

/// The first segments below which nobody opens a page: t3's API, token endpoints, files and sockets
/// (contract §5, §6), and the dispatcher's own probes and answers. Where operators let requests past
/// single sign-on, it is for these.
const PAGELESS_PREFIXES: [&str; 10] = [
    "api",
    "assets",
    "attachments",
    "dispatcher",
    "healthz",
    "mcp",
    "oauth",
    "probe",
    "readyz",
    "ws",
];

/// The characters of a page's path: those that every reader reads alike. Neither `%`, `\` and `;`, by
/// which a path may lead elsewhere than it seems to, nor a dot, which files, `.well-known` and the
/// segments `.` and `..` have.
static PLAIN: ByteSet = ByteSet::alphanumeric_and(b"/-_~:@!$&'()*+,=");

/// The characters of a hash in a file's name: base64url.
static HASH: ByteSet = ByteSet::alphanumeric_and(b"-_");

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
            | "/dispatcher/alive"
            | "/dispatcher/devices"
            | "/dispatcher/tab.js"
            | "/dispatcher/signed-in"
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

/// Does the last segment of `path` end as a bundler names a file by its content's hash: `-`, eight
/// characters of base64url, and an extension (contract §6, §11)? Eight lower-case letters may be a word,
/// eight digits a date.
pub fn carries_hash(path: &str) -> bool {
    let path = path.as_bytes();
    let name = memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
    let mut stems = memchr::memchr_iter(b'.', name).map(|dot| &name[..dot]);
    stems.any(|stem| match stem.split_last_chunk::<8>() {
        Some(([_, .., b'-'], hash)) => is_hash(hash),
        _ => false,
    })
}

fn is_hash(hash: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| hash.iter().any(class);
    HASH.contains_all(hash)
        && (has(u8::is_ascii_uppercase) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)))
}

/// Is it a path at which a person opens a page of t3, such as `/`, `/<environment>/<thread>`,
/// `/settings/general` and `/pair`? Everything else that a route of a proxy may let past single
/// sign-on is none: t3's API and sockets, its files and icons, the manifest, probes, and any path that
/// could be another spelling of one of these.
pub fn is_page_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    let leads_to = |prefix: &&str| first.eq_ignore_ascii_case(prefix);
    PLAIN.contains_all(path.as_bytes())
        && !path.contains("//")
        && !PAGELESS_PREFIXES.iter().any(leads_to)
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
    fn a_page_is_opened_at_t3_s_own_pages_and_nowhere_else() {
        for path in [
            "/",
            "/t/1",
            "/t/1/",
            "/pair",
            "/settings/general",
            "/connect-agent",
            "/4f9d1c1e-8a55-4a3f-9a53-0d6f6d8f2a11/6b1e4c1b-0000-4000-8000-000000000000",
            "/apis",
            "/t/api",
            "/environment:1/thread_2~3",
        ] {
            assert!(is_page_path(path), "{path}");
        }
        let spelt = |prefix: &&str| {
            let prefix = *prefix;
            let first = format!("%{:02x}{}", prefix.as_bytes()[0], &prefix[1..]);
            [
                format!("/{prefix}"),
                format!("/{prefix}/"),
                format!("/{prefix}/x"),
                format!("/{}/x", prefix.to_uppercase()),
                format!("//{prefix}/x"),
                format!("/./{prefix}/x"),
                format!("/t/../{prefix}/x"),
                format!("/t/%2e%2e/{prefix}/x"),
                format!("/{first}/x"),
                format!("/\\{prefix}/x"),
                format!("/{prefix};a=b/x"),
                format!("{prefix}/x"),
            ]
        };
        let further = [".well-known"];
        let prefixes = PAGELESS_PREFIXES.iter().chain(&further);
        let files = [
            "/apple-touch-icon.png",
            "/favicon.ico",
            "/favicon.ico/",
            "/favicon.ico/x",
            "/manifest.webmanifest",
            "/robots.txt",
            "/t/photo.jpg",
            "/apple-touch-icon%2epng",
            "/.",
            "/..",
            "/t/1%20x",
            "/t/\u{e9}",
            "*",
            "",
        ];
        let paths = prefixes.flat_map(spelt);
        for path in paths.chain(files.map(str::to_owned)) {
            assert!(!is_page_path(&path), "{path}");
        }
    }

    #[test]
    fn a_hash_is_told_from_a_word_and_from_a_date() {
        for (path, expected) in [
            ("/assets/index-BMH8bO9q.js", true),
            ("/assets/index-BMH8bO9q.js.map", true),
            ("/assets/fonts/a-aK5vsLov.woff2", true),
            ("/assets/actionscript-3--17pq3dv.js", true),
            ("/assets/CompositeRoot-DwXTpJ9-.js", true),
            ("/assets/BranchToolbar.logic-QOG-LgPV.js", true),
            ("/assets/blinds-Cvh7oS_L.js", true),
            ("/assets/cigarette-CMJWKPHR.js", true),
            ("/assets/settings-overview.js", false),
            ("/assets/settings-dashboard.js", false),
            ("/assets/on-my-way-in-time.js", false),
            ("/assets/report-20261129.js", false),
            ("/assets/index-BMH8bO9q", false),
            ("/assets/index-BMH8bO9q/a.js", false),
            ("/assets/index-BMH8bO9qX.js", false),
            ("/assets/index-BMH8b+9q.js", false),
            ("/assets/-BMH8bO9q.js", false),
            ("/assets/BMH8bO9q.js", false),
            ("/assets/a.js", false),
            ("/assets/", false),
            ("", false),
        ] {
            assert_eq!(carries_hash(path), expected, "{path}");
        }
    }

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
            ("/mcp", false),
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
