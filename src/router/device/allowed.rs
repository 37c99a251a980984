//! What an app may ask for at the device door: the list, and nothing else of t3 (contract §12). Pure.

use http::Method;

use crate::http_rules::credentials::Ticket;
use crate::http_rules::plain_path::{is_below, is_plain};

/// What a request at the device door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// A question of a browser engine before a request of a page of another origin; it carries no credential.
    Preflight,
    /// The description of t3, which everybody gets.
    Descriptor,
    /// A code for a token.
    Token,
    /// The page behind a pairing link, which is for the app.
    PairPage,
    /// A request that needs an app's token.
    Bearer,
    /// A request or a WebSocket that a ticket in the query admits.
    Ticket,
    /// A file by a path that t3 has signed.
    Signed,
}

/// The paths that need an app's token, beside those of threads: with a GET, and with a POST.
const BEARER_GET: [&str; 5] = [
    "/api/auth/clients",
    "/api/auth/pairing-links",
    "/api/auth/session",
    "/api/orchestration/shell",
    "/api/projects",
];
const BEARER_POST: [&str; 6] = [
    "/api/auth/clients/revoke",
    "/api/auth/clients/revoke-others",
    "/api/auth/pairing-links/revoke",
    "/api/auth/pairing-token",
    "/api/auth/websocket-ticket",
    "/api/pull-requests/diff",
];

impl Allowed {
    /// What a request of `method` for `path` and `query` is, which may ask for a WebSocket; `None` for what is not on
    /// the list. Paths are compared as they were sent: another spelling of one is another path.
    pub(super) fn of(
        method: &Method,
        path: &str,
        query: &str,
        wants_websocket: bool,
    ) -> Option<Self> {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        let is_post = *method == Method::POST;
        let has_ticket = Ticket::of(query) == Ticket::Exact;
        if wants_websocket {
            return (has_ticket && is_socket(path)).then_some(Self::Ticket);
        }
        match path {
            _ if *method == Method::OPTIONS => path.starts_with('/').then_some(Self::Preflight),
            "/.well-known/t3/environment" => is_get.then_some(Self::Descriptor),
            "/oauth/token" => is_post.then_some(Self::Token),
            "/pair" => is_get.then_some(Self::PairPage),
            "/api/preview-stream/download" => (is_get && has_ticket).then_some(Self::Ticket),
            "/api/preview-stream/upload" => (is_post && has_ticket).then_some(Self::Ticket),
            _ if (is_get && BEARER_GET.contains(&path))
                || (is_post && BEARER_POST.contains(&path)) =>
            {
                Some(Self::Bearer)
            }
            _ if is_thread(path) => is_get.then_some(Self::Bearer),
            _ if is_below("/api/device-hub/", path) => has_ticket.then_some(Self::Ticket),
            _ if is_below("/api/assets/", path) => is_get.then_some(Self::Signed),
            _ if is_below("/api/attachments/upload/", path) => is_post.then_some(Self::Signed),
            _ => None,
        }
    }
}

fn is_socket(path: &str) -> bool {
    matches!(path, "/ws" | "/api/preview-stream/ws") || is_below("/api/device-hub/", path)
}

/// `/api/orchestration/threads/<id>`, and what there is of a thread.
fn is_thread(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/orchestration/threads/") else {
        return false;
    };
    let (id, part) = rest.split_once('/').unwrap_or((rest, "bounded"));
    is_plain(id) && matches!(part, "bounded" | "history")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: &str, wants_websocket: bool) -> Option<Allowed> {
        let (method, target) = request.split_once(' ').expect("a method");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Allowed::of(
            &method.parse().expect("a method"),
            path,
            query,
            wants_websocket,
        )
    }

    #[test]
    fn what_an_app_asks_for_is_on_the_list() {
        use Allowed::{Bearer, Descriptor, PairPage, Preflight, Signed, Ticket, Token};
        for (request, expected) in [
            ("OPTIONS /api/orchestration/shell", Preflight),
            ("OPTIONS /anything", Preflight),
            ("GET /.well-known/t3/environment", Descriptor),
            ("HEAD /.well-known/t3/environment", Descriptor),
            ("POST /oauth/token", Token),
            ("GET /pair", PairPage),
            ("GET /pair?x", PairPage),
            ("GET /api/auth/session", Bearer),
            ("GET /api/auth/clients", Bearer),
            ("POST /api/auth/clients/revoke", Bearer),
            ("POST /api/auth/clients/revoke-others", Bearer),
            ("GET /api/auth/pairing-links", Bearer),
            ("POST /api/auth/pairing-links/revoke", Bearer),
            ("POST /api/auth/pairing-token", Bearer),
            ("POST /api/auth/websocket-ticket", Bearer),
            ("GET /api/orchestration/shell", Bearer),
            ("GET /api/orchestration/threads/a-1", Bearer),
            (
                "GET /api/orchestration/threads/a-1/bounded?compactTurnItems=1",
                Bearer,
            ),
            ("GET /api/orchestration/threads/a-1/history?cursor=", Bearer),
            ("GET /api/projects", Bearer),
            ("POST /api/pull-requests/diff", Bearer),
            ("GET /api/assets/abc.def/a%20b.png", Signed),
            ("HEAD /api/assets/abc.def/a.png", Signed),
            ("POST /api/attachments/upload/abc.def", Signed),
            ("GET /api/preview-stream/download?wsTicket=x", Ticket),
            ("POST /api/preview-stream/upload?wsTicket=x", Ticket),
            ("DELETE /api/device-hub/a/b?wsTicket=x", Ticket),
        ] {
            assert_eq!(of(request, false), Some(expected), "{request}");
        }
        for socket in ["/ws", "/api/preview-stream/ws", "/api/device-hub/a"] {
            assert_eq!(of(&format!("GET {socket}?wsTicket=x"), true), Some(Ticket));
            for query in [
                "",
                "?wsTicket=",
                "?wsTicket=%20",
                "?wsTicket=x&wsTicket=y",
                "?wsToken=x",
            ] {
                assert_eq!(of(&format!("GET {socket}{query}"), true), None, "{query}");
            }
        }
    }

    #[test]
    fn nothing_else_is() {
        for request in [
            "OPTIONS *",
            "GET /",
            "GET /healthz",
            "GET /readyz",
            "GET /probe/ws",
            "GET /dispatcher/devices",
            "GET /assets/index.js",
            "GET /manifest.webmanifest",
            "POST /.well-known/t3/environment",
            "GET /.well-known/t3/environment/",
            "GET /.well-known/oauth-authorization-server",
            "GET /oauth/token",
            "POST /oauth/token/",
            "POST //oauth/token",
            "POST /oauth/../oauth/token",
            "POST /oauth/%74oken",
            "POST /OAuth/token",
            "POST /oauth/mcp/token",
            "POST /pair",
            "GET /pair/",
            "GET /mcp",
            "POST /api/hooks/a/b",
            "POST /api/auth/browser-session",
            "POST /api/auth/bootstrap",
            "POST /api/auth/session",
            "GET /api/auth/session/",
            "GET /api/auth/session;x",
            "GET /api/auth/websocket-ticket",
            "GET /api//auth/session",
            "GET /api/orchestration/threads",
            "GET /api/orchestration/threads/",
            "GET /api/orchestration/threads/..",
            "GET /api/orchestration/threads/../shell",
            "GET /api/orchestration/threads/%2e%2e/shell",
            "GET /api/orchestration/threads/a/other",
            "GET /api/orchestration/threads/a/bounded/",
            "GET /api/orchestration/threads/a%2fbounded",
            "POST /api/orchestration/dispatch",
            "POST /api/projects/mutate",
            "POST /api/observability/v1/traces",
            "GET /api/assets",
            "GET /api/assets/",
            "GET /api/assets//a",
            "GET /api/assets/a/../../auth/clients",
            "GET /api/assets/a/%2E%2E/b",
            "GET /api/assets/a/%5c..",
            "GET /api/assets/a/%00",
            "GET /api/assets/a/%0a",
            "GET /api/assets/a/%zz",
            "GET /api/assets/a/%2",
            "GET /api/assets/a;b/c",
            "GET /api/assets/a\\b",
            "POST /api/assets/a/b",
            "GET /api/attachments/upload/a",
            "GET /api/preview-stream/download",
            "GET /api/preview-stream/download?wsTicket=",
            "POST /api/preview-stream/upload?ticket=x",
            "GET /api/preview-stream/ws?wsTicket=x",
            "GET /ws?wsTicket=x",
            "GET /api/device-hub/?wsTicket=x",
            "GET /api/device-hub/a",
        ] {
            assert_eq!(of(request, false), None, "{request}");
        }
        for request in [
            "GET /api/preview-stream/download?wsTicket=x",
            "GET /ws/?wsTicket=x",
            "GET //ws?wsTicket=x",
            "GET /api/device-hub/../../ws?wsTicket=x",
            "GET /?wsTicket=x",
            "GET /probe/ws?wsTicket=x",
        ] {
            assert_eq!(of(request, true), None, "{request}");
        }
    }

    /// The segments of `path` as the most lenient reader has them: decoded until nothing changes, without empty
    /// ones and with those of dots resolved.
    fn leniently(path: &str) -> Vec<String> {
        let mut decoded = path.to_owned();
        loop {
            let once = form_urlencoded::parse(decoded.replace(['&', '=', '+'], "_").as_bytes())
                .map(|(name, _)| name.into_owned())
                .collect::<String>();
            if once == decoded {
                break;
            }
            decoded = once;
        }
        let mut read: Vec<String> = Vec::new();
        for segment in decoded.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                ".." => drop(read.pop()),
                segment => read.push(segment.to_ascii_lowercase()),
            }
        }
        read
    }

    #[test]
    fn what_is_allowed_leads_nowhere_else_however_it_is_read() {
        const PARTS: &str = r"/ / / / // /api/ /api/assets/ /api/attachments/upload/ /api/device-hub/ \
            /api/orchestration/threads/ /api/auth/session api auth assets clients oauth token a b.c .. . \
            %2e %2E %2f %5c %25 %61 %20 %3b ; bounded";
        let parts: Vec<_> = PARTS.split_ascii_whitespace().collect();
        let mut seed = 1_u64;
        let mut number = |below: usize| {
            // Numbers of a linear congruential generator: the same in each run.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let mut allowed = 0;
        for _ in 0..200_000 {
            let path = (0..=number(6)).map(|_| parts[number(parts.len())]);
            let path = path.collect::<String>();
            let method = [Method::GET, Method::POST][number(2)].clone();
            let Some(kind) = Allowed::of(&method, &path, "wsTicket=x", false) else {
                continue;
            };
            allowed += 1;
            let sent: Vec<_> = path[1..].split('/').collect();
            let read = leniently(&path);
            assert_eq!(read.len(), sent.len(), "{path}: {kind:?}");
            let fixed = sent.len().min(2);
            assert_eq!(read[..fixed], sent[..fixed], "{path}: {kind:?}");
        }
        assert!(allowed > 2000, "{allowed}");
    }
}
