//! A dispatcher with a door for apps in front of a stand-in, and what apps and attackers need of both.

use std::net::SocketAddr;

use t3_standin::edition::Edition;
use t3_standin::seen::Seen;

use crate::common::app::App;
use crate::common::http::Response;
use crate::common::{Client, World};

/// The field that names the person on the public door.
pub(crate) const USER: &str = "X-authentik-username";

/// The host at which apps ask.
pub(crate) const HOST: &str = "devices.test";

/// A stand-in, and a dispatcher in front of it that lets apps in.
pub(crate) struct Door {
    pub(crate) world: World,
    pub(crate) edition: Edition,
}

impl Door {
    pub(crate) async fn of(edition: Edition) -> Door {
        Door::with(edition, &[]).await
    }

    /// The same, with further options.
    pub(crate) async fn with(edition: Edition, args: &[&str]) -> Door {
        let mut options = vec!["--identity-header", USER, "--device-port", "0"];
        options.extend(args);
        let world = World::of(edition, &options).await;
        Door { world, edition }
    }

    /// Where apps connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.world.dispatcher.devices.expect("a door for apps")
    }

    /// A code for a device of `user`, as an administrator has t3 mint it in its settings.
    pub(crate) async fn code(&self, user: &str) -> String {
        let standin = &self.world.standin;
        let admin = standin.issue_administrative_session(&format!("{user}@sso"));
        let (name, admin) = (self.world.cookie_name().await, admin.expect("writes"));
        let head = format!(
            "POST /api/auth/pairing-token\n{USER}: {user}\nCookie: {name}={admin}\n\
            Content-Type: application/json\nContent-Length: 2"
        );
        let mut client = Client::connect(self.world.addr()).await;
        client.send_head(&head).await;
        client.send(b"{}").await;
        let minted = client.response(false).await;
        assert_eq!(minted.status, 200, "{}", minted.text());
        let code = minted.json()["credential"].take();
        code.as_str().expect("a code").to_owned()
    }

    /// An app that has the descriptor.
    pub(crate) async fn app(&self, origin: Option<&'static str>) -> App {
        App::connect(self.addr(), HOST, origin).await
    }

    /// An app of `user` that is paired.
    pub(crate) async fn paired(&self, user: &str) -> App {
        let mut app = self.app(None).await;
        let paired = app.pair(&self.code(user).await, "phone").await;
        assert_eq!(paired.status, 200, "{}", paired.text());
        app
    }

    /// A browser's session, as its cookie has it: name and value.
    pub(crate) async fn browser_session(&self) -> (String, String) {
        let session = self.world.standin.issue_browser_session("ada@sso");
        (self.world.cookie_name().await, session.expect("writes"))
    }

    /// Asks as `head` says (see [`Client::send_head`]).
    pub(crate) async fn ask(&self, head: &str) -> Response {
        Client::connect(self.addr()).await.exchange(head).await
    }

    /// Forgets what t3 was asked for.
    pub(crate) fn forget(&self) {
        self.world.standin.clear_requests();
    }

    /// Nobody has been paired, and t3 was asked for nothing that is not on the list, with nothing that is not for it.
    #[track_caller]
    pub(crate) fn assert_nothing_gained(&self, of: &str) {
        assert_eq!(self.world.exchanges(), 0, "somebody was paired by {of}");
        for seen in self.world.asked() {
            let (method, target) = (&seen.method, String::from_utf8_lossy(&seen.target));
            assert!(is_listed(&seen), "t3 got {method} {target} by {of}");
            for name in NEVER {
                assert_eq!(seen.header(name), None, "{name} at t3 by {of}");
            }
        }
    }

    /// t3 was asked for nothing by any client.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, of: &str) {
        let asked = self.world.asked();
        let targets: Vec<_> = asked
            .iter()
            .map(|seen| String::from_utf8_lossy(&seen.target))
            .collect();
        assert!(targets.is_empty(), "t3 was asked for {targets:?} by {of}");
        self.assert_nothing_gained(of);
    }
}

/// What never goes from this door to t3.
const NEVER: [&str; 7] = [
    "cookie",
    "set-cookie",
    "x-authentik-username",
    "remote-user",
    "x-forwarded-user",
    "cf-access-authenticated-user-email",
    "x-dispatcher-secret",
];

/// Is it a request of contract §12, byte for byte?
fn is_listed(seen: &Seen) -> bool {
    let target = String::from_utf8_lossy(&seen.target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let is = |name: &str| seen.header(name).is_some();
    let has_bearer = is("authorization");
    let ticket = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("wsTicket="));
    let has_ticket = ticket.is_some_and(|ticket| !ticket.is_empty());
    let thread = path.strip_prefix("/api/orchestration/threads/");
    match (seen.method.as_str(), path) {
        ("OPTIONS", _) => true,
        ("GET" | "HEAD", "/.well-known/t3/environment") => true,
        ("POST", "/oauth/token") => true,
        (
            "GET" | "HEAD",
            "/api/auth/session"
            | "/api/auth/clients"
            | "/api/auth/pairing-links"
            | "/api/orchestration/shell"
            | "/api/projects",
        )
        | (
            "POST",
            "/api/auth/clients/revoke"
            | "/api/auth/clients/revoke-others"
            | "/api/auth/pairing-links/revoke"
            | "/api/auth/pairing-token"
            | "/api/auth/websocket-ticket"
            | "/api/pull-requests/diff",
        ) => has_bearer,
        ("GET" | "HEAD", _) if thread.is_some() => {
            let rest = thread.unwrap_or_default();
            has_bearer && !rest.contains("..") && !rest.contains('\\')
        }
        ("GET", "/ws" | "/api/preview-stream/ws") => has_ticket && is("upgrade"),
        ("GET" | "HEAD", "/api/preview-stream/download") => has_ticket,
        ("POST", "/api/preview-stream/upload") => has_ticket,
        (_, path) if path.starts_with("/api/device-hub/") => has_ticket && is_straight(path),
        ("GET" | "HEAD", path) if path.starts_with("/api/assets/") => is_straight(path),
        ("POST", path) if path.starts_with("/api/attachments/upload/") => is_straight(path),
        _ => false,
    }
}

/// Can it lead nowhere else, however it is read?
fn is_straight(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let odd = ["..", "//", "\\", "%2e", "%2f", "%5c", ";", "%00"];
    !odd.iter().any(|odd| lower.contains(odd))
}
